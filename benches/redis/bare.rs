//! As little as tonic can do with a poll that nothing comes for: wait.

use std::convert::Infallible;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use crate::Outcome;
use crate::process::Process;
use crate::proto::{PollTaskRequest, PollTaskResponse};

/// What makes this program such a server.
pub(crate) const ARGUMENT: &str = "serve-bare";

/// The server in a process of its own.
pub(crate) struct Bare {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Bare {
    pub(crate) fn start() -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(ARGUMENT)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let process = Process::new(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse()?;
        Ok(Self { process, address })
    }
}

/// Serves until the process ends.
pub(crate) async fn serve() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder().add_service(Waiting);
    Ok(server.serve_with_incoming(incoming).await?)
}

/// Takes both kinds of polls: they look alike, and so do their answers as long as nothing comes.
#[derive(Clone)]
struct Waiting;

impl NamedService for Waiting {
    const NAME: &'static str = "antcode.v1.GatewayService";
}

impl Service<http::Request<Body>> for Waiting {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<PollTaskResponse, PollTaskRequest>::default();
            Ok(Grpc::new(codec).unary(Self, request).await)
        })
    }
}

impl UnaryService<PollTaskRequest> for Waiting {
    type Response = PollTaskResponse;
    type Future = BoxFuture<'static, Result<Response<Self::Response>, Status>>;

    fn call(&mut self, request: Request<PollTaskRequest>) -> Self::Future {
        let millis = request.get_ref().timeout_ms.unsigned_abs();
        Box::pin(async move {
            sleep(Duration::from_millis(millis.into())).await;
            Ok(Response::new(PollTaskResponse::default()))
        })
    }
}
