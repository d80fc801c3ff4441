use http::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::door::{Body, Door};
use super::{ClientError, wire};

/// The operator's API, behind a door.
pub(super) struct Api<'a>(pub(super) &'a dyn Door);

/// What there is of a log file, and whether it is all of it.
type File = (Body, bool);

impl Api<'_> {
    /// The JSON at `path`.
    pub(super) fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.parse(&self.whole(self.open(path)?)?)
    }

    /// What is at `path`, to be read as it comes.
    pub(super) fn open(&self, path: &str) -> Result<Body, ClientError> {
        let answer = self.0.call(Method::GET, path, None)?;
        self.accepted(answer)
    }

    /// The log file at `path`; none if nothing of it came.
    pub(super) fn file(&self, path: &str) -> Result<Option<File>, ClientError> {
        let answer = self.0.call(Method::GET, path, None)?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let complete = answer.headers().get("x-complete");
        let complete = complete.is_some_and(|complete| complete == "true");
        Ok(Some((self.accepted(answer)?, complete)))
    }

    /// What `body` earns at `path`.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_value(body).expect("objects whose keys are texts");
        let answer = self.0.call(Method::POST, path, Some(&body))?;
        self.parse(&self.whole(self.accepted(answer)?)?)
    }

    /// Has `method` done to `path`, where there is nothing more to say or to hear.
    pub(super) fn tell(&self, method: Method, path: &str) -> Result<(), ClientError> {
        // The gateway takes a POST as JSON only.
        let nothing = (method == Method::POST).then(|| Value::Object(serde_json::Map::new()));
        let answer = self.0.call(method, path, nothing.as_ref())?;
        self.accepted(answer).map(drop)
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, json: &str) -> Result<T, ClientError> {
        serde_json::from_str(json).map_err(|error| self.garbled(&error))
    }

    pub(super) fn broken_off(&self, reason: &impl ToString) -> ClientError {
        ClientError::BrokenOff {
            door: self.0.name(),
            reason: reason.to_string(),
        }
    }

    fn garbled(&self, reason: &impl ToString) -> ClientError {
        ClientError::Garbled {
            door: self.0.name(),
            reason: reason.to_string(),
        }
    }

    /// The body of `answer`, unless it is a refusal.
    fn accepted(&self, answer: Response<Body>) -> Result<Body, ClientError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let text = self.whole(answer.into_body())?;
        Err(match serde_json::from_str(&text) {
            Ok(wire::Failure { error }) if status == StatusCode::NOT_IMPLEMENTED => {
                ClientError::NotKept(error)
            }
            Ok(wire::Failure { error }) => ClientError::Refused(error),
            Err(_) => self.garbled(&format!("it answers {status}")),
        })
    }

    fn whole(&self, mut body: Body) -> Result<String, ClientError> {
        let mut text = String::new();
        match body.read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(self.broken_off(&error)),
        }
    }
}
