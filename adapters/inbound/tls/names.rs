use gateway_core::domain::identity::Certificate;
use rustls::pki_types::CertificateDer;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// The names in a certificate that was verified.
pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Certificate, X509Error> {
    let (_, parsed) = parse_x509_certificate(certificate)?;
    let mut names = Certificate::default();
    if let Some(alternatives) = parsed.subject_alternative_name()? {
        for name in &alternatives.value.general_names {
            if let GeneralName::URI(uri) = name {
                names.uris.push((*uri).to_owned());
            } else if let GeneralName::DNSName(name) = name {
                names.dns_names.push((*name).to_owned());
            }
        }
    }
    for name in parsed.subject().iter_common_name() {
        // One that is no text still is a name: a second one must not go unseen.
        let text = name.as_str().map(str::to_owned);
        let text = text.unwrap_or_else(|_| String::from_utf8_lossy(name.as_slice()).into_owned());
        names.common_names.push(text);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn all_names_arrive_in_their_order() {
        let uri = |text: &str| SanType::URI(text.try_into().expect("is ASCII"));
        let dns = |text: &str| SanType::DnsName(text.try_into().expect("is ASCII"));
        let mut about = CertificateParams::default();
        about.subject_alt_names = vec![
            dns("a.example"),
            uri("spiffe://antcode/worker/w-1"),
            SanType::IpAddress([127, 0, 0, 1].into()),
            uri("spiffe://antcode/worker/w-2"),
        ];
        about.distinguished_name.push(DnType::CommonName, "w-1");
        about.distinguished_name.push(DnType::OrganizationName, "o");
        let key = KeyPair::generate().expect("makes a key");
        let certificate = about.self_signed(&key).expect("signs itself");

        let names = of(certificate.der()).expect("is a certificate");

        assert_eq!(
            names,
            Certificate {
                uris: vec![
                    "spiffe://antcode/worker/w-1".to_owned(),
                    "spiffe://antcode/worker/w-2".to_owned()
                ],
                dns_names: vec!["a.example".to_owned()],
                common_names: vec!["w-1".to_owned()],
            }
        );
    }
}
