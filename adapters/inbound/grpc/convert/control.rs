//! Commands and replies.

use gateway_core::domain::Invalid;
use gateway_core::domain::control::{Command, CommandDelivery, Reply};
use gateway_core::domain::id::{RequestId, RunId, TaskId};
use serde::de::IgnoredAny;

use crate::inbound::grpc::proto;
use proto::control_message::Payload;
use proto::master_message;

/// What a worker may say of where its reply goes, and how much of an error is kept, in bytes.
const MAX_STREAM: usize = 512;
const MAX_ERROR: usize = 64 * 1024;

pub(in crate::inbound::grpc) fn polled(delivery: CommandDelivery) -> proto::PollControlResponse {
    let payload = match delivery.command {
        Command::Cancel { task, run, .. } => Payload::TaskCancel(cancel(&task, run.as_ref())),
        Command::Configure(config) => Payload::ConfigUpdate(proto::ConfigUpdate { config }),
        Command::Runtime {
            request,
            action,
            reply_stream,
            payload,
        } => Payload::RuntimeControl(proto::RuntimeControl {
            request_id: request.to_string(),
            action,
            reply_stream,
            payload_json: payload,
        }),
    };
    proto::PollControlResponse {
        has_control: true,
        control: Some(proto::ControlMessage {
            payload: Some(payload),
        }),
        receipt_id: delivery.receipt.to_string(),
    }
}

/// A command as a message of the live channel, if it has a place for it.
pub(in crate::inbound::grpc) fn message(command: Command) -> Option<proto::MasterMessage> {
    let payload = match command {
        Command::Cancel { task, run, .. } => {
            master_message::Payload::TaskCancel(cancel(&task, run.as_ref()))
        }
        Command::Configure(config) => {
            master_message::Payload::ConfigUpdate(proto::ConfigUpdate { config })
        }
        Command::Runtime { .. } => return None,
    };
    Some(proto::MasterMessage {
        payload: Some(payload),
    })
}

fn cancel(task: &TaskId, run: Option<&RunId>) -> proto::TaskCancel {
    proto::TaskCancel {
        task_id: task.to_string(),
        run_id: run.map(ToString::to_string).unwrap_or_default(),
    }
}

pub(in crate::inbound::grpc) fn reply(
    request: proto::ControlResultRequest,
) -> Result<Reply, Invalid> {
    let data = request.payload_json;
    if !data.is_empty() && serde_json::from_str::<IgnoredAny>(&data).is_err() {
        return Err(Invalid::text("payload_json", "JSON, or empty", &data));
    }
    let (stream, mut error) = (request.reply_stream, request.error);
    if stream.len() > MAX_STREAM {
        return Err(Invalid::text("reply_stream", "at most 512 bytes", &stream));
    }
    // Somebody waits for the reply, and needs the beginning of a long story at the most.
    error.truncate(error.floor_char_boundary(MAX_ERROR));
    Ok(Reply {
        request: RequestId::parse(&request.request_id)?,
        success: request.success,
        data,
        error,
        reply_stream: (!stream.is_empty()).then_some(stream),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T12
    #[test]
    fn a_long_error_is_cut_where_a_character_ends() {
        let request = proto::ControlResultRequest {
            request_id: "q".into(),
            error: "蚁".repeat(MAX_ERROR),
            ..Default::default()
        };
        let error = reply(request).expect("converts").error;
        assert!(error.len() <= MAX_ERROR && error.len() > MAX_ERROR - 3);
        assert!(error.chars().all(|c| c == '蚁'));
    }

    #[test]
    fn a_reply_that_is_no_json_is_refused() {
        let request = proto::ControlResultRequest {
            request_id: "q".into(),
            payload_json: "{'single': 1}".into(),
            ..Default::default()
        };

        assert_eq!(
            reply(request).expect_err("is refused").field,
            "payload_json"
        );
    }
}
