use std::io::Read;

use http::{Method, Response};
use serde_json::Value;

use super::ClientError;

/// The way to the operator's API of a gateway.
pub trait Door {
    /// Who is behind it, as in "… broke off".
    fn name(&self) -> String;

    /// Sends `method` to `path`, which begins with `/api/`, with `body` as JSON if there is one, and
    /// waits for the answer to begin.
    ///
    /// It blocks, and so does whoever reads the answer's body: what is still to come of a log
    /// arrives there as it is written.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if nobody answers. A refusal is an answer.
    fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>, ClientError>;
}

/// The body of an answer, to be read as it comes.
pub type Body = Box<dyn Read + Send>;
