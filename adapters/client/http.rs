use std::time::Duration;

use http::{Method, Request, Response};
use serde_json::Value;
use ureq::Agent;

use super::{Body, ClientError, Door};

/// The admin port of a gateway.
pub struct Http {
    base: String,
    agent: Agent,
}

/// A gateway on this machine that has not begun to answer by then will not.
const PATIENCE: Duration = Duration::from_secs(30);

impl Http {
    /// The port at `base`, such as `http://127.0.0.1:50052`.
    pub fn new(base: &str) -> Self {
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
}

impl Door for Http {
    fn name(&self) -> String {
        format!("the gateway at {}", self.base)
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>, ClientError> {
        let unreachable = |error: ureq::Error| ClientError::Unreachable {
            base: self.base.clone(),
            reason: error.to_string(),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        let answer = if let Some(body) = body {
            let request = request.header("content-type", "application/json");
            let request = request.body(body.to_string());
            request
                .map_err(Into::into)
                .and_then(|request| self.agent.run(request))
        } else {
            let request = request.body(());
            request
                .map_err(Into::into)
                .and_then(|request| self.agent.run(request))
        };
        let answer = answer.map_err(unreachable)?;
        // However long: the gateway is our own.
        Ok(answer
            .map(|body| -> Body { Box::new(body.into_with_config().limit(u64::MAX).reader()) }))
    }
}
