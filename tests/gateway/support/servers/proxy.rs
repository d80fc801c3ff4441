use std::io;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::resp::Reply;

/// A network between a client and Redis that does as it is told.
pub(crate) struct Proxy {
    port: u16,
    network: Arc<Network>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Pass,
    Delay(Duration),
    BlackHole,
    Refuse,
    LoseReplies(f64),
}

struct Network {
    target: AtomicU16,
    mode: watch::Sender<Mode>,
    lost: AtomicU64,
    cut: Mutex<CancellationToken>,
}

impl Proxy {
    /// Starts one before a port of this machine, which lets everything pass.
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("has an address").port();
        let network = Arc::new(Network {
            target: AtomicU16::new(target),
            mode: watch::Sender::new(Mode::Pass),
            lost: AtomicU64::new(0),
            cut: Mutex::new(CancellationToken::new()),
        });
        let accepting = tokio::spawn(accept(listener, network.clone()));
        Self {
            port,
            network,
            accepting,
        }
    }

    /// The port that clients call instead of the server's.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where clients find the server through it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Leads new connections to another port; those that are there stay where they are.
    pub(crate) fn lead_to(&self, target: u16) {
        self.network.target.store(target, Ordering::SeqCst);
    }

    /// Lets everything pass, what a black hole held back as well.
    pub(crate) fn pass(&self) {
        self.network.mode.send_replace(Mode::Pass);
    }

    /// Holds every reply up for `delay`.
    pub(crate) fn delay(&self, delay: Duration) {
        self.network.mode.send_replace(Mode::Delay(delay));
    }

    /// Forwards nothing either way; new connections are accepted.
    pub(crate) fn black_hole(&self) {
        self.network.mode.send_replace(Mode::BlackHole);
    }

    /// Closes every connection, a new one at once.
    pub(crate) fn refuse(&self) {
        self.network.mode.send_replace(Mode::Refuse);
        self.cut_all();
    }

    /// Loses what comes back with this probability a piece (of one or more replies), and the
    /// connection with it; the commands are carried out.
    pub(crate) fn lose_replies(&self, probability: f64) {
        self.network
            .mode
            .send_replace(Mode::LoseReplies(probability));
    }

    /// Closes every connection now.
    pub(crate) fn cut_all(&self) {
        let next = CancellationToken::new();
        let mut cut = self
            .network
            .cut
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *cut, next).cancel();
    }

    /// How many replies were lost by [`Self::lose_replies`], each of a command carried out; all of
    /// a connection are counted when its client sees it closed.
    pub(crate) fn lost(&self) -> u64 {
        self.network.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all();
    }
}

async fn accept(listener: TcpListener, network: Arc<Network>) {
    loop {
        let (client, _) = listener.accept().await.expect("accepts");
        // In this order, or a connection could slip through while all are cut.
        let cut = network.cut();
        if *network.mode.borrow() == Mode::Refuse {
            continue;
        }
        let network = network.clone();
        tokio::spawn(async move {
            // However a connection ends, its client sees it closed and needs no further word.
            drop(cut.run_until_cancelled(network.serve(client)).await);
        });
    }
}

impl Network {
    fn cut(&self) -> CancellationToken {
        let cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.clone()
    }

    async fn serve(&self, client: TcpStream) -> io::Result<()> {
        self.open().await;
        let server = TcpStream::connect(("127.0.0.1", self.target.load(Ordering::SeqCst))).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, mut to_client) = client.into_split();
        let (mut from_server, to_server) = server.into_split();
        let mut unread = BytesMut::new();
        tokio::select! {
            over = self.replies(&mut from_server, &mut to_client, &mut unread) => over?,
            never = self.commands(from_client, to_server) => match never {},
        }
        // Redis was told that no more commands come, and answers those it has before it closes.
        while from_server.read_buf(&mut unread).await? > 0 {}
        while Reply::take(&mut unread).is_some() {
            self.lost.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Forwards commands; at their end, or when the server is gone, leaves the last word to the replies.
    async fn commands(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) -> std::convert::Infallible {
        let mut bytes = BytesMut::new();
        while let Ok(1..) = from.read_buf(&mut bytes).await {
            self.open().await;
            if to.write_all_buf(&mut bytes).await.is_err() {
                break;
            }
        }
        drop(to);
        std::future::pending().await
    }

    /// Forwards replies until the server closes or one is lost; what was lost stays in `unread`.
    async fn replies(
        &self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        unread: &mut BytesMut,
    ) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        while from.read_buf(&mut bytes).await? > 0 {
            self.open().await;
            unread.extend_from_slice(&bytes);
            let mode = *self.mode.borrow();
            match mode {
                Mode::LoseReplies(probability) if rand::random_bool(probability) => return Ok(()),
                Mode::Delay(delay) => time::sleep(delay).await,
                Mode::Pass | Mode::BlackHole | Mode::Refuse | Mode::LoseReplies(_) => {}
            }
            to.write_all_buf(&mut bytes).await?;
            while Reply::take(unread).is_some() {}
        }
        Ok(())
    }

    /// Waits while the network is a black hole.
    async fn open(&self) {
        let mut mode = self.mode.subscribe();
        let open = mode.wait_for(|mode| *mode != Mode::BlackHole);
        drop(open.await.expect("we hold its sender"));
    }
}
