//! What waits, and what was given up.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use gateway_core::domain::id::LetterId;
use gateway_core::ports::MasterError;

use super::dto;
use super::error::Refusal;
use super::journal::Peer;
use super::local::Local;
use super::path::Path;

/// The most dead letters in one answer.
const MAX_LETTERS: usize = 1000;

/// `GET /api/queue`
pub(super) async fn queue(State(local): State<Local>) -> Result<Json<dto::Queues>, Refusal> {
    let queues = local.master.queues().await?;
    let dto::DeadLetters { dead } = letters(&local, dto::Limit::default()).await?;
    let queues = queues.into_iter().map(dto::Queue::from).collect();
    Ok(Json(dto::Queues { queues, dead }))
}

/// `GET /api/dead`
pub(super) async fn list(
    State(local): State<Local>,
    asked: Result<Query<dto::Limit>, QueryRejection>,
) -> Result<Json<dto::DeadLetters>, Refusal> {
    let Query(asked) = asked?;
    Ok(Json(letters(&local, asked).await?))
}

/// `GET /api/dead/{id}`
pub(super) async fn show(
    State(local): State<Local>,
    Path(id): Path<String>,
) -> Result<Json<dto::WholeLetter>, Refusal> {
    let id = LetterId::parse(&id)?;
    let found = local.dead_letters.find(&id).await?;
    let letter = found.ok_or_else(|| missing(&id))?;
    Ok(Json(letter.into()))
}

/// `POST /api/dead/{id}/requeue`
///
/// It takes JSON although there is nothing to say: a web page cannot send that to another's host
/// without asking first.
pub(super) async fn requeue(
    State(local): State<Local>,
    peer: Peer,
    Path(id): Path<String>,
    asked: Result<Json<dto::Nothing>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let Json(dto::Nothing {}) = asked?;
    let id = LetterId::parse(&id)?;
    let was_there = local.dead_letters.requeue(&id).await;
    let done = done(&id, was_there);
    local.note(peer, "requeue", id.to_string(), &done);
    done
}

/// `DELETE /api/dead/{id}`
pub(super) async fn discard(
    State(local): State<Local>,
    peer: Peer,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let id = LetterId::parse(&id)?;
    let was_there = local.dead_letters.discard(&id).await;
    let done = done(&id, was_there);
    local.note(peer, "discard", id.to_string(), &done);
    done
}

async fn letters(local: &Local, asked: dto::Limit) -> Result<dto::DeadLetters, Refusal> {
    let limit = asked.limit.min(MAX_LETTERS);
    let letters = local.dead_letters.list(limit).await?;
    let dead = letters.into_iter().map(dto::Dead::from).collect();
    Ok(dto::DeadLetters { dead })
}

fn done(id: &LetterId, was_there: Result<bool, MasterError>) -> Result<StatusCode, Refusal> {
    was_there?
        .then_some(StatusCode::NO_CONTENT)
        .ok_or_else(|| missing(id))
}

fn missing(id: &LetterId) -> Refusal {
    Refusal::missing(format!("there is no dead letter {id}"))
}

#[cfg(test)]
mod tests;
