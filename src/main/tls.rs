//! TLS on the workers' port: from the settings to an acceptor, and what becomes of its files.

use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::host::reload::{self, Reloadable};
use gateway_adapters::host::{ClientTls, Config, Tls};
use gateway_adapters::inbound::tls::{Acceptor, ClientAuth, ClientFiles, File, Files, LoadError};
use tokio::time::interval;

use super::Outcome;
use super::plug::Common;

/// How often the days are counted that certificates have left, and how often an operator is warned.
const HOUR: Duration = Duration::from_hours(1);
const HOURS_BETWEEN_WARNINGS: u32 = 24;

/// What the settings ask for, and what is read anew of it.
type Plugged = (Option<Arc<Acceptor>>, Vec<Reloadable>);

/// The acceptor that the settings ask for, if they do.
pub(super) fn plug(config: &Config, common: &Common) -> Outcome<Plugged> {
    let Some(tls) = config.grpc.tls.as_ref().filter(|_| config.grpc.enabled) else {
        return Ok((None, Vec::new()));
    };
    let files = files(tls);
    let seen = reload::Files::look(files.paths());
    let acceptor = Acceptor::load(files, common.clock.clone(), common.audit.clone());
    let acceptor = Arc::new(acceptor.map_err(|error| told(&error))?);
    let reloadable = reloadable(seen, acceptor.clone());
    Ok((Some(acceptor), vec![reloadable]))
}

/// Reads the files of `acceptor` anew when they change.
fn reloadable(files: reload::Files, acceptor: Arc<Acceptor>) -> Reloadable {
    Reloadable {
        what: "TLS certificate",
        files,
        reload: Box::new(move || {
            acceptor.reload().map_err(|error| told(&error))?;
            let expiries = acceptor.expiries();
            expiries.show();
            expiries.warn();
            Ok(())
        }),
    }
}

/// Shows when its files expire for as long as the gateway runs, and warns in time.
pub(super) async fn watch(acceptor: Arc<Acceptor>) {
    let mut hours = interval(HOUR);
    for hour in (0..HOURS_BETWEEN_WARNINGS).cycle() {
        hours.tick().await;
        let expiries = acceptor.expiries();
        expiries.show();
        if hour == 0 {
            expiries.warn();
        }
    }
}

fn files(tls: &Tls) -> Files {
    Files {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        clients: tls.clients.as_ref().map(client_files),
    }
}

fn client_files(clients: &ClientTls) -> ClientFiles {
    ClientFiles {
        ca: clients.ca.clone(),
        crl: clients.crl.clone(),
        auth: if clients.required {
            ClientAuth::Required
        } else {
            ClientAuth::Optional
        },
    }
}

/// `error`, by the setting that names the file.
fn told(error: &LoadError) -> String {
    let setting = match error.file {
        File::Certificate => "GRPC_TLS_CERT_PATH",
        File::Key => "GRPC_TLS_KEY_PATH",
        File::ClientCa => "GRPC_TLS_CA_PATH",
        File::Crl => "GRPC_TLS_CRL_PATH",
    };
    format!("{setting}={error}")
}
