/// The names in a client certificate, as it has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The URIs among its alternative names.
    pub uris: Vec<String>,
    /// The DNS names among them.
    pub dns_names: Vec<String>,
    /// The common names of its subject.
    pub common_names: Vec<String>,
}
