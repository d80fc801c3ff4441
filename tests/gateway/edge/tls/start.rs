//! Files that cannot be used stop the start, by the name of their setting; what expires is told.

use std::sync::Arc;

use gateway_adapters::inbound::tls::ClientAuth;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::{folder, load};
use crate::support::Program;
use crate::support::papers::{Ca, Folder, Wanted};

/// A setting, the file that it names, and what is said of that.
const REFUSALS: [(&str, &str, &str); 9] = [
    ("GRPC_TLS_CERT_PATH", "absent", "No such file"),
    ("GRPC_TLS_CERT_PATH", "text", "-----BEGIN CERTIFICATE-----"),
    ("GRPC_TLS_CERT_PATH", "garbled.pem", "cannot be used"),
    (
        "GRPC_TLS_KEY_PATH",
        "other.key",
        "not that of the certificate",
    ),
    ("GRPC_TLS_KEY_PATH", "encrypted.key", "decrypt it"),
    ("GRPC_TLS_KEY_PATH", "torn.key", "no sound PEM"),
    (
        "GRPC_TLS_KEY_PATH",
        "server.pem",
        "-----BEGIN PRIVATE KEY-----",
    ),
    ("GRPC_TLS_CA_PATH", "crl.pem", "-----BEGIN CERTIFICATE-----"),
    ("GRPC_TLS_CRL_PATH", "ca.pem", "-----BEGIN X509 CRL-----"),
];

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_by_its_setting() {
    let ca = Ca::new("ca");
    let (server, other) = (ca.issue(&Wanted::server()), ca.issue(&Wanted::server()));
    let encrypted = server.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let folder = Folder::new(
        &server,
        &[
            ("ca.pem", &ca.pem),
            ("crl.pem", &ca.crl(&[], 7)),
            ("other.key", &other.key),
            ("encrypted.key", &encrypted),
            ("torn.key", &server.key[..60]),
            ("text", "hunter2"),
            ("garbled.pem", &server.pem.replacen('M', "N", 1)),
        ],
    );
    for (setting, file, part) in REFUSALS {
        let named = |name, usual| {
            let file = if name == setting { file } else { usual };
            (name, folder.text(file))
        };
        let settings = [
            named("GRPC_TLS_CERT_PATH", "server.pem"),
            named("GRPC_TLS_KEY_PATH", "server.key"),
            named("GRPC_TLS_CA_PATH", "ca.pem"),
            named("GRPC_TLS_CRL_PATH", "crl.pem"),
        ];
        let settings = settings.each_ref().map(|(name, path)| (*name, &**path));

        let (status, _, said) = Program::run(&[], &settings).await;
        assert_eq!(status.code(), Some(1), "{said}");
        let named = format!("{setting}={}", folder.text(file));
        assert!(said.contains(&named) && said.contains(part), "{said}");
        let secret = &server.key[30..50];
        assert!(
            !said.contains("hunter2") && !said.contains(secret),
            "{said}"
        );
    }
}

#[test]
fn the_first_to_expire_of_each_file_is_told() {
    let ca = Ca::new("ca");
    let soon = Wanted {
        days: (-1, 3),
        ..Wanted::server()
    };
    let lists = ca.crl(&[], 7) + &ca.crl(&[], -2);
    let folder = folder(&ca, &[("crl.pem", &lists)]);
    folder.put("server.pem", &ca.issue(&soon).pem);
    let expired = load(&folder, Some(ClientAuth::Required), Arc::default());
    assert!(expired.is_err(), "the key is that of another");

    let server = ca.issue(&soon);
    folder.put("server.pem", &server.pem);
    folder.put("server.key", &server.key);
    let acceptor = load(&folder, Some(ClientAuth::Required), Arc::default()).expect("loads");
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || acceptor.expiries().show());
    let shown = recorder.handle().render();

    let days = |file: &str| -> f64 {
        let name = format!("antcode_gateway_certificate_expiry_days{{file=\"{file}\"}} ");
        let line = shown.lines().find_map(|line| line.strip_prefix(&name));
        line.expect(&shown).parse().expect("is a number")
    };
    assert!((2.9..=3.0).contains(&days("server")), "{shown}");
    assert!((-2.1..=-2.0).contains(&days("crl")), "{shown}");
    assert!(days("client_ca") > 365.0, "{shown}");
}
