//! What the program counts and measures, as an operator's monitoring reads it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::metrics::{self as table, Metric};

/// Upper bounds in seconds: from an answer out of memory to the longest poll.
const BUCKETS: [f64; 18] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// How often what was measured is put into its buckets; until then each measurement is kept.
const UPKEEP: Duration = Duration::from_secs(2);

/// The recorder of this process.
#[derive(Clone)]
pub struct Metrics {
    recorder: PrometheusHandle,
    looks: Vec<Look>,
}

/// Notes how things are.
type Look = Arc<dyn Fn() + Send + Sync>;

/// Begins to count, once in a process; whoever asks again shares what is counted.
///
/// Handles that were made before count nothing.
pub fn install() -> Metrics {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();

    let handle = INSTALLED.get_or_init(|| {
        let recorder = recorder();
        let handle = recorder.handle();
        if let Err(error) = metrics::set_global_recorder(recorder) {
            error!(%error, "nothing is counted here");
        }
        table::describe();
        handle
    });
    Metrics {
        recorder: handle.clone(),
        looks: Vec::new(),
    }
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets(&BUCKETS)
        .expect("there are buckets")
        .build_recorder()
}

impl Metrics {
    /// Has `look` note how things are, whenever somebody asks.
    #[must_use]
    pub fn looking(mut self, look: impl Fn() + Send + Sync + 'static) -> Self {
        self.looks.push(Arc::new(look));
        self
    }

    /// All that was counted, in Prometheus' text format. A metric of which nothing is known yet is
    /// there by its name.
    pub fn render(&self) -> String {
        self.looks.iter().for_each(|look| look());
        let mut text = self.recorder.render();
        for Metric {
            name, help, kind, ..
        } in table::ALL
        {
            if !text.contains(&format!("# TYPE {name} ")) {
                let kind = kind.as_str();
                let lines = [
                    format!("# HELP {name} {help}\n"),
                    format!("# TYPE {name} {kind}\n\n"),
                ];
                text.extend(lines);
            }
        }
        text
    }

    /// Keeps what is measured from piling up, for ever.
    pub async fn upkeep(self) {
        let mut ticks = interval(UPKEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.recorder.run_upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::histogram;

    use super::*;

    #[test]
    fn it_may_be_asked_for_twice() {
        let (one, other) = (install(), install());

        metrics::counter!(table::LOG_LINES).increment(2);
        for metrics in [one, other] {
            let text = metrics.render();
            let line = format!("\n{} ", table::LOG_LINES);
            let (_, value) = text.split_once(&line).expect("is there");
            assert!(!value.starts_with("0\n"), "{value}");
        }
    }

    #[test]
    fn times_are_in_buckets() {
        let metrics = install();

        histogram!(table::BACKEND_SECONDS, "port" => "test").record(Duration::from_micros(300));
        let text = metrics.render();
        for (bound, count) in [("0.00025", 0), ("0.0005", 1), ("60", 1), ("+Inf", 1)] {
            let name = table::BACKEND_SECONDS;
            let line = format!("{name}_bucket{{port=\"test\",le=\"{bound}\"}} {count}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
