//! Letting a call in: a place among those under way, and its part of what the worker may ask.

use std::sync::{Arc, Mutex, PoisonError};

use gateway_core::app::{Access, Error};
use gateway_core::domain::identity::Caller;
use gateway_core::domain::limit::Class;
use gateway_core::ports::LimitError;
use metrics::counter;

use super::caps::{Caps, Entered, Seat};
use super::kind::Kind;
use crate::metrics::REFUSALS;

/// The places of one call, which are given up when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Admission(Arc<Inner>);

struct Inner {
    caps: Caps,
    kind: Kind,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// Among all calls; what waits has none once its maker is known.
    all: Option<Entered>,
    /// Among those of its worker.
    own: Option<Seat>,
}

impl Admission {
    /// A place among all calls, for one of which nobody knows yet who makes it.
    pub(super) fn begin(caps: &Caps, kind: Kind) -> Result<Self, LimitError> {
        let places = Places {
            all: Some(caps.enter(kind.class())?),
            own: None,
        };
        Ok(Self(Arc::new(Inner {
            caps: caps.clone(),
            kind,
            places: Mutex::new(places),
        })))
    }

    /// A place among the calls of its maker.
    fn seat(&self, caller: &Caller) -> Result<(), LimitError> {
        let Inner { caps, kind, places } = &*self.0;
        let own = caps.seat(&caller.worker, *kind)?;
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        places.own = own;
        if kind.waits() {
            places.all = None;
        }
        Ok(())
    }
}

/// Lets a call of `caller` in.
pub(super) async fn take_in(
    access: &Access,
    caller: &Caller,
    admission: &Admission,
) -> Result<(), Error> {
    let class = admission.0.kind.class();
    if let Err(crowded) = admission.seat(caller) {
        access.note_limited(caller, class);
        return Err(crowded.into());
    }
    counted(class.name(), access.admit(caller, class).await)
}

/// Takes the bytes of logs that `caller` has sent from what it may send.
pub(super) async fn charge_logs(
    access: &Access,
    caller: &Caller,
    bytes: usize,
) -> Result<(), Error> {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    counted("log_bytes", access.charge(caller, Class::Log, bytes).await)
}

fn counted(class: &'static str, admitted: Result<(), Error>) -> Result<(), Error> {
    if let Err(Error::Limit(LimitError::Exceeded { .. })) = &admitted {
        counter!(REFUSALS, "class" => class).increment(1);
    }
    admitted
}
