use std::io::Read;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::{ClientError, wire};

/// The admin port of a gateway.
pub(super) struct Http {
    base: String,
    agent: Agent,
}

/// What there is of a log file, and whether it is all of it.
type File = (Box<dyn Read>, bool);

/// A gateway on this machine that has not begun to answer by then will not.
const PATIENCE: Duration = Duration::from_secs(30);

impl Http {
    pub(super) fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            // The gateway is on this machine: a proxy would look for it on its own.
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(PATIENCE))
            .build();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            agent: config.into(),
        }
    }

    /// The JSON at `path`.
    pub(super) fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.parse(&self.text(path)?)
    }

    /// The text at `path`.
    pub(super) fn text(&self, path: &str) -> Result<String, ClientError> {
        let answer = self.get(path)?;
        self.whole(self.accepted(answer)?)
    }

    /// What is at `path`, to be read as it comes.
    pub(super) fn open(&self, path: &str) -> Result<impl Read + use<>, ClientError> {
        let answer = self.get(path)?;
        Ok(unbounded(self.accepted(answer)?))
    }

    /// The log file at `path`; none if nothing of it came.
    pub(super) fn file(&self, path: &str) -> Result<Option<File>, ClientError> {
        let answer = self.get(path)?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.accepted(answer)?;
        let complete = answer.headers().get("x-complete");
        let complete = complete.is_some_and(|complete| complete == "true");
        Ok(Some((Box::new(unbounded(answer)), complete)))
    }

    /// What `body` earns at `path`.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let answer = request.send_json(body);
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        self.parse(&self.whole(self.accepted(answer)?)?)
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, json: &str) -> Result<T, ClientError> {
        serde_json::from_str(json).map_err(|error| ClientError::Garbled {
            base: self.base.clone(),
            reason: error.to_string(),
        })
    }

    pub(super) fn broken_off(&self, reason: &impl ToString) -> ClientError {
        ClientError::BrokenOff {
            base: self.base.clone(),
            reason: reason.to_string(),
        }
    }

    fn get(&self, path: &str) -> Result<Response<Body>, ClientError> {
        let answer = self.agent.get(format!("{}{path}", self.base)).call();
        answer.map_err(|error| self.unreachable(&error))
    }

    /// `answer`, unless it is a refusal.
    fn accepted(&self, answer: Response<Body>) -> Result<Response<Body>, ClientError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = self.whole(answer)?;
        match serde_json::from_str(&text) {
            Ok(wire::Failure { error }) => Err(ClientError::Refused(error)),
            Err(_) => Err(ClientError::Garbled {
                base: self.base.clone(),
                reason: format!("it answers {status}"),
            }),
        }
    }

    fn whole(&self, answer: Response<Body>) -> Result<String, ClientError> {
        let mut text = String::new();
        match unbounded(answer).read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(self.broken_off(&error)),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> ClientError {
        ClientError::Unreachable {
            base: self.base.clone(),
            reason: error.to_string(),
        }
    }
}

/// The body of `answer`, however long: the gateway is our own.
fn unbounded(answer: Response<Body>) -> impl Read + use<> {
    let body = answer.into_body().into_with_config();
    body.limit(u64::MAX).reader()
}
