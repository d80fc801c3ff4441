use std::sync::LazyLock;

use super::super::Shared;
use super::super::run_owners;
use super::super::script::Script;
use super::super::time::millis;

macro_rules! scripts {
    ($($name:ident: $file:literal),+ $(,)?) => {
        $(
            pub(super) static $name: LazyLock<Script> =
                LazyLock::new(|| Script::new(include_str!(concat!("../lua/", $file, ".lua"))));
        )+
    };
}

scripts! {
    UNDO: "task_undo",
    DONE: "task_done",
    GIVE_BACK: "task_give_back",
    HELD: "task_held",
    RESTARTED: "task_restarted",
    RUNNING: "task_running",
    PROGRESS: "task_progress",
}

/// The script that takes, which also makes the run the worker's where both are in one place.
pub(super) fn take(shared: &Shared) -> Script {
    let Shared { keys, settings, .. } = shared;
    let owners = if shared.link.is_clustered() {
        String::new()
    } else {
        keys.owner_prefix()
    };
    let constants = [
        ("GROUP", keys.task_group()),
        ("INTERVAL", millis(settings.heartbeat_interval).to_string()),
        ("TIMEOUT", millis(settings.heartbeat_timeout).to_string()),
        ("GRACE", millis(settings.lease_grace).to_string()),
        ("OWNERS", owners),
        ("OWNED", millis(run_owners::TTL).to_string()),
        ("BELL", keys.bell()),
    ];
    Script::with(&constants, include_str!("../lua/task_take.lua"))
}
