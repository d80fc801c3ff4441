//! A port of one's own: a log sink that prints each line once the sink behind it has it.
//!
//! `cargo run --example own_adapter`

use std::{error::Error, sync::Arc};

use gateway_adapters::inbound::{Readiness, grpc};
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::app::{Gateway, Ports};
use gateway_core::domain::{log::LogChunk, log::LogLine, task::Patience};
use gateway_core::ports::{ChunkReceipt, Clock, LogError, LogSink};
use tonic::{Request, transport::Endpoint};

#[expect(warnings, reason = "generated")]
mod proto {
    tonic::include_proto!("antcode.v1");
}

struct Printed(Arc<dyn LogSink>);

#[async_trait::async_trait]
impl LogSink for Printed {
    async fn append(&self, lines: Vec<LogLine>) -> Result<(), LogError> {
        let text = format!("{lines:?}");
        self.0.append(lines).await?;
        // Nothing is awaited from here on: a line is kept and printed, or neither.
        println!("{text}");
        Ok(())
    }

    async fn store(&self, chunk: LogChunk) -> Result<ChunkReceipt, LogError> {
        self.0.store(chunk).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let backend = memory::Backend::new(&memory::Settings::default(), &clock);
    let (keys, key) = memory::ApiKeys::local();
    let ports = Ports {
        attempts: Arc::new(memory::Attempts::new(10)),
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator: Arc::new(keys),
        clock,
        control_channel: backend.control_channel,
        limiter: Arc::new(memory::Unlimited),
        log_sink: Arc::new(Printed(backend.log_sink)),
        result_store: backend.result_store,
        run_owners: backend.run_owners,
        task_queue: backend.task_queue,
        worker_registry: backend.worker_registry,
    };
    let settings = grpc::Settings::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let core = Gateway::new(&ports, Patience::default());
    let mut sent = Ok(());
    // The worker's call is all that is waited for.
    let stop = async { sent = send(address, key.expose()).await };
    grpc::serve(listener, core, settings, Readiness::always(), stop).await?;
    sent
}

/// Sends a line, as a worker does.
async fn send(gateway: String, key: &str) -> Result<(), Box<dyn Error>> {
    let mut line = Request::new(proto::SendLogRequest::default());
    line.get_mut().run_id = "run-1".into();
    line.get_mut().content = "hello".into();
    line.metadata_mut().insert("x-api-key", key.parse()?);
    let gateway = Endpoint::new(gateway)?.connect().await?;
    let mut gateway = proto::gateway_service_client::GatewayServiceClient::new(gateway);
    gateway.send_log(line).await?;
    Ok(())
}
