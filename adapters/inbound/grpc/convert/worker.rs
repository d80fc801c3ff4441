//! Registrations and heartbeats.

use std::collections::BTreeMap;

use gateway_core::domain::Invalid;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::time::{self, Timestamp};
use gateway_core::domain::worker::{Heartbeat, Load, Os, Percent, Registration};
use prost::Message;

use crate::inbound::grpc::proto;

/// What a worker may say of its system, and of what it can do, in bytes each.
const MAX_FACTS: usize = 64 * 1024;
const MAX_CAPABILITIES: usize = 256;
const MAX_VERSION: usize = 256;

pub(in crate::inbound::grpc) fn registration(
    request: proto::RegisterRequest,
    worker: WorkerId,
    now: Timestamp,
) -> Result<Registration, Invalid> {
    check_facts(request.os_info.as_ref(), &request.capabilities)?;
    Ok(Registration {
        worker,
        os: os(request.os_info.unwrap_or_default()),
        capabilities: request.capabilities,
        at: now,
    })
}

/// A heartbeat that came alone. Its own time is checked and not used: clocks of workers differ.
pub(in crate::inbound::grpc) fn heartbeat(
    request: proto::SendHeartbeatRequest,
    worker: WorkerId,
    now: Timestamp,
) -> Result<Heartbeat, Invalid> {
    time::parse("timestamp", &request.timestamp)?;
    check_version(&request.version)?;
    let load = Load {
        cpu: Percent::nearest(request.cpu_percent),
        memory: Percent::nearest(request.memory_percent),
        disk: Percent::nearest(request.disk_percent),
        running: super::count("running_tasks", request.running_tasks)?,
        capacity: super::count("max_concurrent_tasks", request.max_concurrent_tasks)?,
    };
    Ok(Heartbeat {
        worker,
        status: request.status.parse()?,
        load: Some(load),
        version: request.version,
        os: None,
        capabilities: None,
        at: now,
    })
}

/// A heartbeat that came over the live channel.
pub(in crate::inbound::grpc) fn pulse(
    heartbeat: proto::Heartbeat,
    worker: WorkerId,
    now: Timestamp,
) -> Result<Heartbeat, Invalid> {
    super::time(heartbeat.timestamp)?;
    let capabilities = heartbeat.capabilities;
    check_facts(heartbeat.os_info.as_ref(), &capabilities)?;
    check_version(&heartbeat.version)?;
    Ok(Heartbeat {
        worker,
        status: heartbeat.status.parse()?,
        load: heartbeat.metrics.as_ref().map(load).transpose()?,
        version: heartbeat.version,
        os: heartbeat.os_info.map(os),
        capabilities: (!capabilities.is_empty()).then_some(capabilities),
        at: now,
    })
}

/// Makes sure that what is kept of a worker, as long as it lives, is no more than a registration
/// may bring.
fn check_facts(
    os: Option<&proto::OsInfo>,
    capabilities: &BTreeMap<String, String>,
) -> Result<(), Invalid> {
    if capabilities.len() > MAX_CAPABILITIES {
        let got = capabilities.len();
        return Err(Invalid::number("capabilities", "at most 256 entries", &got));
    }
    let entries = capabilities.iter();
    let capabilities: usize = entries.map(|(name, value)| name.len() + value.len()).sum();
    let os = os.map_or(0, Message::encoded_len);
    for (field, size) in [("capabilities", capabilities), ("os_info", os)] {
        if size > MAX_FACTS {
            let got = format_args!("{size} bytes");
            return Err(Invalid::number(field, "at most 65536 bytes", &got));
        }
    }
    Ok(())
}

fn check_version(version: &str) -> Result<(), Invalid> {
    if version.len() > MAX_VERSION {
        return Err(Invalid::text("version", "at most 256 bytes", version));
    }
    Ok(())
}

fn load(metrics: &proto::Metrics) -> Result<Load, Invalid> {
    Ok(Load {
        cpu: Percent::nearest(metrics.cpu),
        memory: Percent::nearest(metrics.memory),
        disk: Percent::nearest(metrics.disk),
        running: super::count("running_tasks", metrics.running_tasks)?,
        capacity: super::count("max_concurrent_tasks", metrics.max_concurrent_tasks)?,
    })
}

fn os(info: proto::OsInfo) -> Os {
    Os {
        kind: info.os_type,
        version: info.os_version,
        python: info.python_version,
        arch: info.machine_arch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_without_metrics_says_nothing_of_its_load() {
        let worker = WorkerId::parse("w-1").expect("is an identifier");

        let pulse = pulse(proto::Heartbeat::default(), worker, Timestamp::UNIX_EPOCH);
        let pulse = pulse.expect("converts");
        assert_eq!(pulse.load, None);
        assert_eq!(pulse.capabilities, None);
    }

    #[test]
    fn what_is_kept_of_a_worker_is_bounded() {
        let worker = || WorkerId::parse("w-1").expect("is an identifier");
        let long = || "x".repeat(MAX_FACTS + 1);
        let capable = proto::Heartbeat {
            capabilities: [("gpu".to_owned(), long())].into(),
            ..Default::default()
        };
        let odd = proto::Heartbeat {
            os_info: Some(proto::OsInfo {
                os_type: long(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let verbose = proto::Heartbeat {
            version: long(),
            ..Default::default()
        };
        for (field, heartbeat) in [
            ("capabilities", capable),
            ("os_info", odd),
            ("version", verbose),
        ] {
            let refusal = pulse(heartbeat, worker(), Timestamp::UNIX_EPOCH);
            assert_eq!(refusal.expect_err("is refused").field, field);
        }

        let request = proto::SendHeartbeatRequest {
            version: long(),
            ..Default::default()
        };
        let refusal = heartbeat(request, worker(), Timestamp::UNIX_EPOCH);
        assert_eq!(refusal.expect_err("is refused").field, "version");
    }

    /// T12
    #[test]
    fn nobody_can_do_everything() {
        let worker = || WorkerId::parse("w-1").expect("is an identifier");
        for (entries, fits) in [(256, true), (257, false)] {
            let each = (0..entries).map(|entry| (format!("c-{entry}"), String::new()));
            let capabilities: BTreeMap<_, _> = each.collect();
            let request = proto::RegisterRequest {
                capabilities: capabilities.clone(),
                ..Default::default()
            };
            let registered = registration(request, worker(), Timestamp::UNIX_EPOCH);
            assert_eq!(registered.is_ok(), fits, "{registered:?}");
            let heartbeat = proto::Heartbeat {
                capabilities,
                ..Default::default()
            };
            let pulse = pulse(heartbeat, worker(), Timestamp::UNIX_EPOCH);
            assert_eq!(pulse.is_ok(), fits, "{pulse:?}");
        }
    }

    #[test]
    fn nobody_runs_less_than_nothing() {
        let worker = WorkerId::parse("w-1").expect("is an identifier");
        let request = proto::SendHeartbeatRequest {
            running_tasks: -1,
            ..Default::default()
        };

        let refusal = heartbeat(request, worker, Timestamp::UNIX_EPOCH);
        assert_eq!(refusal.expect_err("is refused").field, "running_tasks");
    }
}
