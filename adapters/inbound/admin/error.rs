use std::error::Error;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gateway_core::domain::Invalid;
use gateway_core::ports::MasterError;

use super::dto;

/// Why a request is not carried out: a status, and a text for the one who asked.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { status, text }
    }

    /// What whoever asked is told.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What was asked for is not there.
    pub(super) fn missing(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// What was asked for makes no sense.
    pub(super) fn nonsense(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(dto::Failure { error: self.text })).into_response()
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::nonsense(invalid.to_string())
    }
}

impl From<MasterError> for Refusal {
    fn from(error: MasterError) -> Self {
        let status = match &error {
            MasterError::RunExists(_) => StatusCode::CONFLICT,

            MasterError::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
            MasterError::NotKept(_) => StatusCode::NOT_IMPLEMENTED,
            MasterError::Unavailable(_) => {
                log_outage(&error);
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, error.to_string())
    }
}

/// Writes down what lies beneath `error`, which whoever asked is not told.
pub(super) fn log_outage(error: &MasterError) {
    tracing::error!(error = error.source(), "{error}");
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            // What was read is no JSON, or not the JSON that was wanted.
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                Self::nonsense(detail(&rejection).unwrap_or_else(|| rejection.body_text()))
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content-type: application/json is needed",
            ),
            status => Self::new(status, rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::nonsense(detail(&rejection).unwrap_or_else(|| rejection.body_text()))
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

/// The parser's own words: they name the field, if there is one, and what was expected of it.
fn detail(rejection: &dyn Error) -> Option<String> {
    rejection.source().map(ToString::to_string)
}
