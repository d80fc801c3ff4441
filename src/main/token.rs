//! Tokens for tests and first steps, by the settings in force.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use gateway_adapters::host::Config;
use gateway_adapters::host::cli::Token;
use gateway_adapters::outbound::SystemClock;
use gateway_adapters::outbound::jwt::Minter;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::Clock as _;

use super::{Outcome, who};

/// Carries out `asked`.
pub(super) fn run(asked: Token, config: &Config) -> Outcome<ExitCode> {
    let Token::Mint {
        worker,
        ttl,
        kid,
        key,
    } = asked;
    let worker = WorkerId::parse(&worker)?;
    let Some(file) = &config.auth.jwt_secret else {
        return Err("JWT_SECRET_FILE is not set: no token would be accepted".into());
    };
    let keys = who::jwt_keys(who::algorithm(config), file)?;
    let private = key.as_deref().map(read).transpose()?;
    let kid = kid.as_deref();
    let settings = who::jwt_settings(config);
    let minter = Minter::new(keys, settings, &read(file)?, private.as_deref(), kid)?;
    let token = minter.mint(&worker, kid, SystemClock.now(), ttl)?;
    writeln!(io::stdout(), "{}", token.expose())?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Outcome<Vec<u8>> {
    Ok(fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?)
}
