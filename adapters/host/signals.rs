//! How the process is told to end.

use std::io;
use std::process;
use std::thread;

use futures::stream::{BoxStream, Stream, StreamExt};
use tokio::runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Takes over SIGTERM and SIGINT before it returns; the token is cancelled by the first of them.
///
/// A second one ends the process at once with 128 + its number. It is awaited on a thread of its
/// own, so that it does so even if the runtime is stuck.
pub fn shutdown() -> io::Result<CancellationToken> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let signals = {
        let _inside = runtime.enter();
        installed()?
    };
    let stop = CancellationToken::new();
    let told = stop.clone();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(obey(signals, &told, exit)))?;
    Ok(stop)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a second signal asks for just that: no destructor may hold the process up"
)]
fn exit(code: i32) {
    process::exit(code);
}

/// How often SIGHUP has come; it is taken over before this returns.
///
/// # Errors
///
/// Whatever keeps the signal from being taken over.
#[cfg(unix)]
pub fn reload() -> io::Result<watch::Receiver<u64>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangups = signal(SignalKind::hangup())?;
    let (tell, told) = watch::channel(0);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            info!("SIGHUP, reading files anew");
            tell.send_modify(|times| *times += 1);
        }
    });
    Ok(told)
}

/// Nothing, for there is no such signal here; files are read anew when they change.
#[cfg(not(unix))]
pub fn reload() -> io::Result<watch::Receiver<u64>> {
    let (tell, told) = watch::channel(0);
    tokio::spawn(async move { tell.closed().await });
    Ok(told)
}

async fn obey(
    mut signals: impl Stream<Item = i32> + Unpin,
    stop: &CancellationToken,
    exit: impl FnOnce(i32),
) {
    let Some(signal) = signals.next().await else {
        return;
    };
    info!(
        signal,
        "shutting down, a second signal ends the process at once"
    );
    stop.cancel();
    let Some(signal) = signals.next().await else {
        return;
    };
    warn!(signal, "second signal, ending at once");
    exit(128 + signal);
}

/// The numbers of signals as they come; the handlers are in place when this returns.
#[cfg(unix)]
fn installed() -> io::Result<BoxStream<'static, i32>> {
    use futures::stream::{poll_fn, select};
    use tokio::signal::unix::{SignalKind, signal};

    let arrivals = |kind: SignalKind| -> io::Result<_> {
        let mut signal = signal(kind)?;
        let number = kind.as_raw_value();
        Ok(poll_fn(move |context| {
            signal.poll_recv(context).map(|some| some.map(|()| number))
        }))
    };
    let terminate = arrivals(SignalKind::terminate())?;
    let interrupt = arrivals(SignalKind::interrupt())?;
    Ok(select(terminate, interrupt).boxed())
}

/// Ctrl-C, under the number that SIGINT has elsewhere.
#[cfg(not(unix))]
fn installed() -> io::Result<BoxStream<'static, i32>> {
    use futures::stream::unfold;

    let next = |()| async { tokio::signal::ctrl_c().await.ok().map(|()| (2, ())) };
    Ok(unfold((), next).boxed())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt;
    use futures::stream;

    use super::*;

    #[test]
    fn the_first_signal_stops_and_the_second_exits() {
        for (signals, stopped, code) in [
            (vec![], false, None),
            (vec![15], true, None),
            (vec![15, 2], true, Some(130)),
            (vec![2, 15, 15], true, Some(143)),
        ] {
            let stop = CancellationToken::new();
            let exited = Cell::new(None);

            obey(stream::iter(signals), &stop, |code| exited.set(Some(code)))
                .now_or_never()
                .expect("nothing to wait for");

            assert_eq!((stop.is_cancelled(), exited.get()), (stopped, code));
        }
    }
}
