use std::sync::Arc;
use std::time::Duration;

use super::{Error, Journal};
use crate::domain::control::{CommandDelivery, Lane, Reply};
use crate::domain::id::ReceiptId;
use crate::domain::identity::Caller;
use crate::ports::{ControlChannel, ControlError};

/// Passing on what the platform tells workers, and what they reply.
pub struct Control {
    pub(super) channel: Arc<dyn ControlChannel>,
    pub(super) journal: Journal,
}

impl Control {
    /// The next command for `caller` that `lane` can carry, or none if none comes within `wait`.
    ///
    /// The delivery is the caller's from here on: whoever cannot bring it to the worker
    /// [releases](Self::release) it. A call dropped while it waits has taken nothing.
    pub async fn poll(
        &self,
        caller: &Caller,
        wait: Duration,
        lane: Lane,
    ) -> Result<Option<CommandDelivery>, Error> {
        Ok(self.channel.take(&caller.worker, wait, lane).await?)
    }

    /// Undoes a delivery that did not reach `caller`.
    pub async fn release(&self, caller: &Caller, receipt: &ReceiptId) -> Result<(), Error> {
        Ok(self.channel.release(&caller.worker, receipt).await?)
    }

    /// `caller` has done what it was told. Saying it twice is fine.
    pub async fn settle(&self, caller: &Caller, receipt: &ReceiptId) -> Result<(), Error> {
        let settled = self.channel.settle(&caller.worker, receipt).await;
        settled
            .map(|_| ())
            .map_err(|error| self.refused(caller, error))
    }

    /// Passes the caller's reply on to the one who asked it.
    pub async fn reply(&self, caller: &Caller, reply: Reply) -> Result<(), Error> {
        let passed_on = self.channel.reply(&caller.worker, reply).await;
        passed_on.map_err(|error| self.refused(caller, error))
    }

    fn refused(&self, caller: &Caller, error: ControlError) -> Error {
        let error = error.into();
        self.journal.note_trespass(caller, &error);
        error
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mockall::predicate::eq;

    use super::*;
    use crate::app::testing::{audited, caller, journal, receipt, worker};
    use crate::domain::audit::Action;
    use crate::domain::control::Command;
    use crate::domain::id::RequestId;
    use crate::domain::task::Settled;
    use crate::ports::MockControlChannel;

    #[pollster::test]
    async fn a_command_is_taken_by_the_lane_and_released_by_its_receipt() {
        let delivery = CommandDelivery {
            receipt: receipt("c-1"),
            command: Command::Configure(BTreeMap::new()),
        };
        let mut channel = MockControlChannel::new();
        let taken = delivery.clone();
        channel
            .expect_take()
            .with(eq(worker("w-1")), eq(Duration::ZERO), eq(Lane::Stream))
            .returning(move |_, _, _| Ok(Some(taken.clone())));
        channel
            .expect_release()
            .with(eq(worker("w-1")), eq(receipt("c-1")))
            .once()
            .returning(|_, _| Ok(()));

        let control = Control {
            channel: Arc::new(channel),
            journal: journal().0,
        };
        let polled = control
            .poll(&caller("w-1"), Duration::ZERO, Lane::Stream)
            .await;
        assert_eq!(polled.expect("polls"), Some(delivery));
        let released = control.release(&caller("w-1"), &receipt("c-1")).await;
        released.expect("is released");
    }

    #[pollster::test]
    async fn trouble_with_the_channel_settles_nothing() {
        let mut channel = MockControlChannel::new();
        channel
            .expect_settle()
            .returning(|_, _| Err(ControlError::Unavailable("away".into())));

        let (journal, events) = journal();
        let control = Control {
            channel: Arc::new(channel),
            journal,
        };
        let failed = control.settle(&caller("w-1"), &receipt("c-1")).await;
        assert!(matches!(
            failed,
            Err(Error::Control(ControlError::Unavailable(_)))
        ));
        assert_eq!(audited(&events), vec![]);
    }

    #[pollster::test]
    async fn a_command_settled_before_is_settled() {
        let mut channel = MockControlChannel::new();
        channel
            .expect_settle()
            .returning(|_, _| Ok(Settled::Before));

        let control = Control {
            channel: Arc::new(channel),
            journal: journal().0,
        };
        control
            .settle(&caller("w-1"), &receipt("c-1"))
            .await
            .expect("is settled");
    }

    #[pollster::test]
    async fn a_reply_to_what_another_was_asked_is_refused_and_written_down() {
        let mut channel = MockControlChannel::new();
        channel
            .expect_reply()
            .returning(|_, reply| Err(ControlError::RequestNotTheirs(reply.request)));

        let (journal, events) = journal();
        let control = Control {
            channel: Arc::new(channel),
            journal,
        };
        let reply = Reply {
            request: RequestId::parse("q-1").expect("is an identifier"),
            success: true,
            data: String::new(),
            error: String::new(),
            reply_stream: None,
        };
        let refused = control.reply(&caller("w-1"), reply).await;
        assert!(matches!(
            refused,
            Err(Error::Control(ControlError::RequestNotTheirs(_)))
        ));
        assert!(matches!(
            audited(&events)[..],
            [Action::Trespassed { what: "reply", .. }]
        ));
    }
}
