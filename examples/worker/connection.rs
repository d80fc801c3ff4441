//! How the worker reaches the gateway: in plain, by TLS, or by mTLS with a certificate of its own.
use std::{error::Error, fs, path::PathBuf, time::Duration};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// Where the gateway is, and what to show it.
#[derive(clap::Args)]
pub(crate) struct Connection {
    /// With https:// the worker speaks TLS
    #[arg(
        long,
        env = "ANTCODE_GATEWAY",
        default_value = "http://127.0.0.1:50051"
    )]
    gateway: String,
    /// PEM file of the CA that vouches for the gateway
    #[arg(long, env = "ANTCODE_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file of the worker's own certificate, for mTLS
    #[arg(long, env = "ANTCODE_CERT", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, env = "ANTCODE_KEY", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// A connection that is made with the first call; no call takes longer than `limit`.
pub(crate) fn open(to: &Connection, limit: Duration) -> Result<Channel, Box<dyn Error>> {
    let mut endpoint = Endpoint::new(to.gateway.clone())?
        .timeout(limit)
        .connect_timeout(limit)
        .http2_keep_alive_interval(limit);
    if to.gateway.starts_with("https:") {
        endpoint = endpoint.tls_config(tls(to)?)?;
    } else if to.ca.is_some() || to.cert.is_some() {
        return Err("--ca and --cert are for a gateway at https://".into());
    }
    Ok(endpoint.connect_lazy())
}

fn tls(to: &Connection) -> Result<ClientTlsConfig, Box<dyn Error>> {
    let read =
        |file: &PathBuf| fs::read(file).map_err(|error| format!("{}: {error}", file.display()));
    let mut tls = ClientTlsConfig::new();
    if let Some(ca) = &to.ca {
        tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
    }
    if let (Some(certificate), Some(key)) = (&to.cert, &to.key) {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(tls)
}
