use std::fs;
use std::process::Child;
use std::time::Duration;

use crate::Outcome;

/// A server in a process of its own, which ends with this value.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        Self(child)
    }

    /// The CPU time it has had, user and system.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        // The kernel reports in hundredths of a second, whatever its own clock does.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("stat has no name")?;
        let mut fields = fields.split_whitespace();
        if fields.next() == Some("Z") {
            return Err("a server has ended while it was measured".into());
        }
        let mut fields = fields.skip(10);
        let mut ticks = || -> Outcome<u64> { Ok(fields.next().ok_or("stat is short")?.parse()?) };
        Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
    }

    /// The memory it has, in KiB.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.ok_or("status has no VmRSS")?;
        Ok(resident.trim().trim_end_matches(" kB").parse()?)
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.0.try_wait()?.is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}
