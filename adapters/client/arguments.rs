//! The tools' arguments, from the command line that `host` defines.

use crate::host::cli::{self, Recipient};

use super::{
    Command, Configure, Control, Dead, DeadList, DeadShow, End, Enqueue, Logs, NewTask, Queue,
    Runs, Runtime,
};

impl Command {
    /// The tool that was asked for; none if it is no tool but the gateway itself.
    pub fn asked(command: cli::Command) -> Option<Self> {
        match command {
            cli::Command::Audit(_)
            | cli::Command::Check
            | cli::Command::Certs(_)
            | cli::Command::Keys(_)
            | cli::Command::Token(_)
            | cli::Command::Migrate => None,
            cli::Command::Enqueue(arguments) => Some(Self::Enqueue(arguments.into())),
            cli::Command::Runs(cli::Runs { run_id: run, json }) => {
                Some(Self::Runs(Runs { run, json }))
            }
            cli::Command::Logs(cli::Logs {
                run_id: run,
                follow,
                json,
            }) => Some(Self::Logs(Logs { run, follow, json })),
            cli::Command::Queue(cli::Queue { json }) => Some(Self::Queue(Queue { json })),
            cli::Command::Dead(dead) => Some(Self::Dead(dead.into())),
            cli::Command::Control(control) => Some(Self::Control(control.into())),
        }
    }
}

impl From<cli::Enqueue> for Enqueue {
    fn from(asked: cli::Enqueue) -> Self {
        let work = asked.work();
        let task = NewTask {
            worker: asked.worker,
            task_id: asked.task_id,
            run_id: asked.run_id,
            project_id: asked.project_id,
            project_type: asked.project_type,
            priority: asked.priority,
            params: work.params,
            environment: asked.environment.into_iter().collect(),
            timeout: asked.timeout,
            download_url: asked.download_url,
            file_hash: asked.file_hash,
            entry_point: work.entry_point,
        };
        Self {
            task,
            follow: asked.follow,
        }
    }
}

impl From<cli::Control> for Control {
    fn from(asked: cli::Control) -> Self {
        match asked {
            cli::Control::Cancel(end) => Self::Cancel(end.into()),
            cli::Control::Kill(end) => Self::Kill(end.into()),
            cli::Control::Config(configure) => Self::Config(Configure {
                settings: configure.settings.into_iter().collect(),
                worker: named(configure.worker),
            }),
            cli::Control::Runtime(runtime) => Self::Runtime(Runtime {
                action: runtime.action,
                payload: runtime.payload.unwrap_or_default(),
                worker: named(runtime.worker),
                wait: runtime.wait,
            }),
        }
    }
}

impl From<cli::End> for End {
    fn from(asked: cli::End) -> Self {
        Self {
            run: asked.run_id,
            task: asked.task_id,
            worker: asked.worker,
            reason: asked.reason,
        }
    }
}

impl From<cli::Dead> for Dead {
    fn from(asked: cli::Dead) -> Self {
        match asked {
            cli::Dead::List { limit, json } => Self::List(DeadList { limit, json }),
            cli::Dead::Show { id, json } => Self::Show(DeadShow { id, json }),
            cli::Dead::Requeue { id } => Self::Requeue(id),
            cli::Dead::Drop { id } => Self::Drop(id),
        }
    }
}

fn named(recipient: Recipient) -> Option<String> {
    match recipient {
        Recipient::All => None,
        Recipient::One(worker) => Some(worker),
    }
}
