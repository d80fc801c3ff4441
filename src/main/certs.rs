//! `certs`: makes certificates, and says how to start with them.

use std::io::{self, Write as _};
use std::process::ExitCode;

use gateway_adapters::host::certs::{DevCertificates, Made};
use gateway_adapters::host::cli::Certs;
use gateway_adapters::outbound::SystemClock;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::Clock as _;

use super::Outcome;

/// Makes what is asked for.
pub(super) fn make(asked: Certs) -> Outcome<ExitCode> {
    let Certs::Dev {
        folder,
        names,
        workers,
        force,
    } = asked;
    let workers = workers.iter().map(|id| WorkerId::parse(id));
    let made = DevCertificates {
        folder,
        names,
        workers: workers
            .collect::<Result<_, _>>()
            .map_err(|error| format!("--worker: {error}"))?,
        force,
        now: SystemClock.now(),
    };
    writeln!(io::stdout(), "{}", how_to_start(&made.make()?))?;
    Ok(ExitCode::SUCCESS)
}

fn how_to_start(made: &Made) -> String {
    let head = format!(
        "A CA, a certificate for the gateway, one for each worker, and one for probes, which are no \
         worker. The gateway:\n\n    GRPC_TLS_CERT_PATH={} GRPC_TLS_KEY_PATH={} \\\n    \
         GRPC_TLS_CA_PATH={} cargo run\n\nA worker:\n",
        made.server.certificate.display(),
        made.server.key.display(),
        made.ca.certificate.display(),
    );
    let workers = made.workers.iter().map(|worker| {
        format!(
            "\n    cargo run --example worker -- --gateway https://localhost:50051 \\\n      \
             --ca {} --cert {} --key {}\n",
            made.ca.certificate.display(),
            worker.certificate.display(),
            worker.key.display(),
        )
    });
    [head].into_iter().chain(workers).collect()
}
