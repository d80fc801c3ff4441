use std::process::ExitCode;

use gateway_adapters::client::{self, Console, Http};
use gateway_adapters::host::cli::Command;
use gateway_adapters::host::telemetry::{self, LogSettings};
use gateway_adapters::host::{Backend, Config};
use gateway_adapters::outbound::SystemClock;

use super::own_door::OwnDoor;
use super::{Outcome, store};

/// Carries out `asked` at the gateway that runs on this machine, or at Redis itself.
pub(super) fn run(asked: Command, config: &Config) -> Outcome<ExitCode> {
    let Some(command) = client::Command::asked(asked) else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut console = Console::standard();
    // Where its operator has the gateway serve the API, its word is law.
    if config.backend == Backend::Memory || config.admin.api {
        let http = over_http(config)?;
        return Ok(client::run(&http, &SystemClock, &command, &mut console)?);
    }
    telemetry::init(&LogSettings {
        filter: "warn".parse()?,
        ..config.log.clone()
    })?;
    // The backend's connections need a thread while the tool blocks.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let side = runtime.block_on(store::operator_side(config))?;
    let done = match side {
        Some(side) => {
            let name = format!("Redis at {}", config.redis.url);
            let door = OwnDoor::new(name, side, runtime.handle().clone());
            client::run(&door, &SystemClock, &command, &mut console)
        }
        None => client::run(&over_http(config)?, &SystemClock, &command, &mut console),
    };
    runtime.shutdown_background();
    Ok(done?)
}

fn over_http(config: &Config) -> Outcome<Http> {
    if config.admin.port == 0 {
        return Err(
            "ADMIN_PORT=0 lets the gateway choose; set it to the port that it announced".into(),
        );
    }
    Ok(Http::new(&format!("http://{}", config.admin.address())))
}
