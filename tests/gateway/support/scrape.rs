use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What a gateway told of its metrics.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// Each metric with its kind.
    pub(crate) kinds: BTreeMap<String, String>,
    /// Each metric with its help.
    pub(crate) helps: BTreeMap<String, String>,
    /// Each series, labels and all, with its value.
    pub(crate) series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Asks the gateway whose operator's port is at `admin`.
    pub(crate) async fn of(admin: SocketAddr) -> Self {
        let url = format!("http://{admin}/metrics");
        let asked = tokio::task::spawn_blocking(move || {
            let mut answer = ureq::get(url).call().expect("is served");
            answer.body_mut().read_to_string().expect("is text")
        });
        Self::read(&asked.await.expect("does not panic"))
    }

    /// Asks until `series` have these values, one round trip after the other.
    pub(crate) async fn until(admin: SocketAddr, series: &[(&str, f64)]) {
        let come = async {
            loop {
                let scrape = Self::of(admin).await;
                let there = |(name, value): &(&str, f64)| scrape.value(name) == Some(*value);
                if series.iter().all(there) {
                    return;
                }
            }
        };
        let limit = std::time::Duration::from_secs(30);
        if tokio::time::timeout(limit, come).await.is_err() {
            let scrape = Self::of(admin).await;
            for (name, value) in series {
                assert_eq!(scrape.value(name), Some(*value), "{name}");
            }
        }
    }

    /// The value of a series, its name without the part that all share.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.series
            .get(&format!("antcode_gateway_{series}"))
            .copied()
    }

    fn read(text: &str) -> Self {
        let mut read = Self {
            kinds: BTreeMap::new(),
            helps: BTreeMap::new(),
            series: BTreeMap::new(),
        };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                add(&mut read.kinds, rest, line);
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                add(&mut read.helps, rest, line);
            } else {
                let (series, value) = line.rsplit_once(' ').expect("has a value");
                let value = value.parse().expect("is a number");
                let before = read.series.insert(series.to_owned(), value);
                assert_eq!(before, None, "{line} comes twice");
            }
        }
        read
    }
}

fn add(to: &mut BTreeMap<String, String>, rest: &str, line: &str) {
    let (name, word) = rest.split_once(' ').expect("has a word on it");
    let before = to.insert(name.to_owned(), word.to_owned());
    assert_eq!(before, None, "{line} comes twice");
}
