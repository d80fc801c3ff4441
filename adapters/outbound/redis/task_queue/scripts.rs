use std::sync::LazyLock;

use super::super::script::Script;

macro_rules! scripts {
    ($($name:ident: $file:literal),+ $(,)?) => {
        $(
            pub(super) static $name: LazyLock<Script> =
                LazyLock::new(|| Script::new(include_str!(concat!("../lua/", $file, ".lua"))));
        )+
    };
}

scripts! {
    TAKE: "task_take",
    UNDO: "task_undo",
    DONE: "task_done",
    GIVE_BACK: "task_give_back",
    HELD: "task_held",
    RESTARTED: "task_restarted",
    RUNNING: "task_running",
    PROGRESS: "task_progress",
}
