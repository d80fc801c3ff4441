//! Tasks and their receipts.

use gateway_core::domain::Invalid;
use gateway_core::domain::id::ReceiptId;
use gateway_core::domain::task::{Delivery, Task, Verdict};

use crate::inbound::grpc::proto;

/// How much of the reason for a return is kept with the task, in bytes.
const MAX_REASON: usize = 4 * 1024;

pub(in crate::inbound::grpc) fn polled(delivery: Delivery) -> proto::PollTaskResponse {
    proto::PollTaskResponse {
        has_task: true,
        receipt_id: delivery.receipt.to_string(),
        task: Some(dispatch(delivery.task)),
    }
}

fn dispatch(task: Task) -> proto::TaskDispatch {
    proto::TaskDispatch {
        task_id: task.id.to_string(),
        project_id: task.project_id,
        project_type: task.project_type,
        priority: task.priority,
        params: task.params,
        environment: task.environment,
        timeout: i32::try_from(task.timeout.as_secs()).unwrap_or(i32::MAX),
        download_url: task.download_url,
        file_hash: task.file_hash,
        entry_point: task.entry_point,
        run_id: task.run.to_string(),
    }
}

/// What a worker settles, and how.
pub(in crate::inbound::grpc) fn settlement(
    request: proto::AckTaskRequest,
) -> Result<(ReceiptId, Verdict), Invalid> {
    let receipt = ReceiptId::parse(&request.receipt_id)?;
    Ok((receipt, verdict(request.accepted, request.reason)))
}

pub(in crate::inbound::grpc) fn verdict(accepted: bool, mut reason: String) -> Verdict {
    if accepted {
        return Verdict::Done;
    }
    // A task that is given back is worth more than the end of a long story.
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    Verdict::GivenBack(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_where_a_character_ends() {
        let Verdict::GivenBack(reason) = verdict(false, "蚁".repeat(10_000)) else {
            panic!("is given back");
        };
        assert!(reason.len() <= MAX_REASON && reason.chars().all(|c| c == '蚁'));
        assert_eq!(
            verdict(false, "busy".into()),
            Verdict::GivenBack("busy".into())
        );
    }
}
