//! Letting a call in: a place among those under way, and its part of what the worker may ask.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_core::app::{Access, Error};
use gateway_core::domain::identity::Caller;
use gateway_core::domain::limit::Class;
use gateway_core::ports::LimitError;
use metrics::counter;

use super::caps::{Caps, Entered, Seat, Stranger, Weight};
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
    /// Among those of whom nobody knows yet who makes them.
    stranger: Option<Stranger>,
    /// Among all calls; what waits has none once its maker is known.
    all: Option<Entered>,
    /// Among those of its worker.
    own: Option<Seat>,
    /// For its messages.
    room: Vec<Weight>,
}

impl Admission {
    /// One without any place.
    pub(super) fn new(caps: &Caps, kind: Kind) -> Self {
        Self(Arc::new(Inner {
            caps: caps.clone(),
            kind,
            places: Mutex::default(),
        }))
    }

    /// Takes a place for a call from `peer` of which nobody knows yet who makes it. It is given up
    /// when that is known.
    pub(super) async fn queue(&self, peer: Option<IpAddr>) -> Result<(), LimitError> {
        let Inner { caps, kind, .. } = &*self.0;
        let stranger = caps.queue(peer, kind.class()).await?;
        self.places().stranger = Some(stranger);
        Ok(())
    }

    /// Takes a place among all calls.
    pub(super) fn enter(&self) -> Result<(), LimitError> {
        let mut places = self.places();
        if places.all.is_none() {
            places.all = Some(self.0.caps.enter(self.0.kind.class())?);
        }
        Ok(())
    }

    /// A place among the calls of its maker.
    fn seat(&self, caller: &Caller) -> Result<(), LimitError> {
        let Inner { caps, kind, .. } = &*self.0;
        self.enter()?;
        let own = caps.seat(&caller.worker, *kind)?;
        let mut places = self.places();
        places.own = Some(own);
        places.stranger = None;
        if kind.waits() {
            places.all = None;
        }
        Ok(())
    }

    /// Room for a message of so many bytes.
    pub(super) fn weigh(
        &self,
        bytes: u64,
    ) -> impl Future<Output = Result<Weight, LimitError>> + Send + use<> {
        let worker = self.places().own.as_ref().map(|own| own.worker.clone());
        let Inner { caps, kind, .. } = &*self.0;
        caps.clone().weigh(worker, kind.class(), bytes)
    }

    /// Keeps `weight` for as long as the call is under way.
    pub(super) fn keep(&self, weight: Weight) {
        self.places().room.push(weight);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        let places = self.0.places.lock();
        places.unwrap_or_else(PoisonError::into_inner)
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
