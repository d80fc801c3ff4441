//! Commands and replies.

use gateway_core::domain::Invalid;
use gateway_core::domain::control::{Command, CommandDelivery, Reply};
use gateway_core::domain::id::{RequestId, RunId, TaskId};
use serde::de::IgnoredAny;

use crate::inbound::grpc::proto;
use proto::control_message::Payload;
use proto::master_message;

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
    let stream = request.reply_stream;
    Ok(Reply {
        request: RequestId::parse(&request.request_id)?,
        success: request.success,
        data,
        error: request.error,
        reply_stream: (!stream.is_empty()).then_some(stream),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
