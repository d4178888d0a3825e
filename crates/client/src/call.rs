//! One discipline for every call: where it goes, how long it may take, and when it may be sent again.
//!
//! **Problem.** An endpoint may be down, hang, or lose the answer. **Idea.** A call has one deadline. A read that got
//! no answer goes on to the next endpoint; while endpoints remain untried, each gets an equal share of the time that
//! is left, so that one hung server does not use it all up. A write goes on if it was certainly never sent, or if it has a number by
//! which the cluster knows it again (see [`crate::once`]).
//! **Invariant.** A write without a number leaves this process at most once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quorate_tls::{Connector, HTTP_2};
use tokio::time::{Instant, sleep, timeout};
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use crate::dial::SecureDial;
use crate::error::{Fate, fate};
use crate::once::{self, Given, Number, Once};
use crate::{Config, Error, Routing, config, pb};

/// Names the keyspace that a request is about.
pub(crate) const KEYSPACE_HEADER: &str = "quorate-keyspace";
/// Carries a session's token, both ways.
pub(crate) const SESSION_HEADER: &str = "quorate-session";
const TOKEN_HEADER: &str = "token";

/// However patient the caller, a call is tried no more often than this.
const MAX_ATTEMPTS: u32 = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A call's name, and what sending it twice would do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) writes: bool,
}

impl Call {
    pub(crate) const fn read(name: &'static str) -> Self {
        Call { name, writes: false }
    }

    pub(crate) const fn write(name: &'static str) -> Self {
        Call { name, writes: true }
    }

    pub(crate) fn failed(self, status: Status, fate: Fate) -> Error {
        match fate {
            Fate::Refused => Error::Refused { call: self.name, source: status },
            Fate::Unanswered if self.writes => Error::OutcomeUnknown { call: self.name, source: status },
            Fate::Unanswered | Fate::NeverSent => Error::Unavailable { call: self.name, source: status },
        }
    }
}

/// The connections, and what every request carries.
pub(crate) struct Core {
    channels: Vec<Channel>,
    /// Where the next call begins, modulo the number of channels.
    current: AtomicUsize,
    config: Config,
    keyspace: Option<MetadataValue<Ascii>>,
    session: Mutex<Option<MetadataValue<Ascii>>>,
    token: Mutex<Option<MetadataValue<Ascii>>>,
    once: Once,
}

/// A channel for each endpoint. Certificates are read if one of them wants TLS.
fn channels(config: &Config) -> Result<Vec<Channel>, Error> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let endpoints: Vec<Endpoint> = config
        .endpoints
        .iter()
        .map(|text| config::endpoint(text, scheme, config.connect_timeout))
        .collect::<Result<_, Error>>()?;
    let is_secure = |endpoint: &Endpoint| endpoint.uri().scheme_str() == Some("https");
    if !endpoints.iter().any(is_secure) {
        return Ok(endpoints.iter().map(Endpoint::connect_lazy).collect());
    }
    let dial = SecureDial(Connector::new(&config.tls.clone().unwrap_or_default(), HTTP_2)?);
    let open = |endpoint: &Endpoint| match is_secure(endpoint) {
        true => endpoint.connect_with_connector_lazy(dial.clone()),
        false => endpoint.connect_lazy(),
    };
    Ok(endpoints.iter().map(open).collect())
}

impl Core {
    /// Checks the settings; connections are opened when they are first needed.
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        if config.endpoints.is_empty() {
            return Err(Error::NoEndpoint);
        }
        let channels = channels(&config)?;
        Ok(Core {
            channels,
            current: AtomicUsize::new(0),
            keyspace: header("keyspace", config.keyspace.as_deref())?,
            session: Mutex::new(header("session", config.session.as_deref())?),
            token: Mutex::new(None),
            once: Once::default(),
            config,
        })
    }

    /// The newest session token that a server sent.
    pub(crate) fn session(&self) -> Option<String> {
        locked(&self.session).as_ref().and_then(|token| token.to_str().ok()).map(str::to_owned)
    }

    /// Runs `send` as often as the rules allow, and gives its answer.
    pub(crate) async fn call<T, R, F>(
        &self,
        call: Call,
        message: T,
        send: impl Fn(Channel, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let deadline = Instant::now() + self.config.timeout;
        self.log_in_if_needed(deadline).await?;
        match self.numbered(call, deadline, &message, &send).await {
            Err(Error::Refused { source, .. }) if self.token_was_rejected(&source) => {
                self.log_in(deadline).await?;
                self.numbered(call, deadline, &message, &send).await
            }
            outcome => outcome,
        }
    }

    /// Gives a write its number, and a new one if its session is gone.
    async fn numbered<T, R, F>(
        &self,
        call: Call,
        deadline: Instant,
        message: &T,
        send: &impl Fn(Channel, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        for is_last in [false, true] {
            let number = if call.writes { self.number(deadline).await? } else { None };
            let outcome = self.attempts(call, deadline, message.clone(), number.as_ref(), send).await;
            let words = match &outcome {
                Err(Error::Refused { source, .. } | Error::OutcomeUnknown { source, .. }) => source.message(),
                _ => return outcome,
            };
            let is_gone = number.as_ref().is_some_and(|number| number.session_is_gone(words));
            match outcome {
                Err(Error::Refused { .. }) if is_gone && !is_last => {}
                Err(Error::Refused { source, .. }) if once::was_done(source.message()) => {
                    return Err(Error::AnswerLost { call: call.name, source });
                }
                _ => return outcome,
            }
        }
        unreachable!("the last turn returns")
    }

    /// A number for a write, or none if it may be sent once only.
    async fn number(&self, deadline: Instant) -> Result<Option<Number<'_>>, Error> {
        if !self.config.exactly_once {
            return Ok(None);
        }
        for _ in 0..2 {
            match self.once.next() {
                Given::Number(number) => return Ok(Some(number)),
                Given::Nothing => return Ok(None),
                Given::MustOpen => {
                    let _opening = self.once.opening.lock().await;
                    if self.once.must_open() {
                        self.open_session(deadline).await?;
                    }
                }
            }
        }
        Ok(None)
    }

    async fn open_session(&self, deadline: Instant) -> Result<(), Error> {
        let send = async |channel: Channel, mut request: Request<pb::StatusRequest>| {
            request.metadata_mut().insert(once::HEADER, MetadataValue::from_static(once::OPEN));
            let response = pb::maintenance_client::MaintenanceClient::new(channel).status(request).await?;
            self.once.opened(response.metadata());
            Ok(response)
        };
        let call = Call::read("open a write session");
        match self.attempts(call, deadline, pb::StatusRequest {}, None, &send).await {
            Err(Error::Refused { .. }) => {
                // Whoever may not ask may write all the same.
                self.once.opened(&MetadataMap::new());
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    async fn attempts<T, R, F>(
        &self,
        call: Call,
        deadline: Instant,
        message: T,
        number: Option<&Number<'_>>,
        send: &impl Fn(Channel, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let may_go_on = !call.writes || number.is_some();
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        let mut may_be_done = false;
        loop {
            let untried = self.channels.len().saturating_sub(attempt as usize).max(1);
            let left = deadline.saturating_duration_since(Instant::now());
            let share = if !may_go_on { left } else { left / untried as u32 };
            let (index, channel) = self.pick(attempt);
            let mut request = Request::new(message.clone());
            self.add_headers(request.metadata_mut());
            if let Some(number) = number {
                request.metadata_mut().insert(once::HEADER, number.header());
            }
            request.set_timeout(share);
            let outcome = timeout(share, send(channel, request)).await;
            attempt += 1;
            let status = match outcome {
                Ok(Ok(response)) => {
                    self.remember_session(response.metadata());
                    return Ok(response.into_inner());
                }
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("no answer in time"),
            };
            let fate = fate(&status);
            let may_repeat = match fate {
                Fate::Refused => false,
                Fate::NeverSent => true,
                Fate::Unanswered => may_go_on && is_transient(&status),
            };
            if fate != Fate::Refused {
                self.leave(index);
            }
            let all_tried = attempt as usize >= self.channels.len();
            let wait = if all_tried { pause } else { Duration::ZERO };
            if !may_repeat || attempt == MAX_ATTEMPTS || Instant::now() + wait >= deadline {
                // What became of the last attempt says nothing of those before it.
                let speaks_for_all = !may_be_done || once::was_done(status.message());
                return Err(call.failed(status, if speaks_for_all { fate } else { Fate::Unanswered }));
            }
            may_be_done |= call.writes && fate == Fate::Unanswered;
            if all_tried {
                sleep(wait).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Where an attempt goes.
    fn pick(&self, attempt: u32) -> (usize, Channel) {
        let begin_anew = attempt == 0 && self.config.routing == Routing::RoundRobin;
        let turn = if begin_anew {
            self.current.fetch_add(1, Ordering::Relaxed)
        } else {
            self.current.load(Ordering::Relaxed)
        };
        let index = turn % self.channels.len();
        (index, self.channels[index].clone())
    }

    /// Makes later attempts begin elsewhere, unless another call has seen to that already.
    pub(crate) fn leave(&self, index: usize) {
        let turn = self.current.load(Ordering::Relaxed);
        if turn % self.channels.len() == index {
            let next = turn.wrapping_add(1);
            // Losing this race means that someone else has moved on: just as good.
            let _ = self.current.compare_exchange(turn, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A channel for a stream, and its number for [`Core::leave`]. Logs in first where that is needed.
    pub(crate) async fn stream_channel(&self) -> Result<(usize, Channel), Error> {
        self.log_in_if_needed(Instant::now() + self.config.timeout).await?;
        Ok(self.pick(0))
    }

    /// How many endpoints there are.
    pub(crate) fn endpoint_count(&self) -> usize {
        self.channels.len()
    }

    /// The longest that a call may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.config.timeout
    }

    /// Puts keyspace, session and login token into a request's headers.
    pub(crate) fn add_headers(&self, headers: &mut MetadataMap) {
        if let Some(keyspace) = &self.keyspace {
            headers.insert(KEYSPACE_HEADER, keyspace.clone());
        }
        if let Some(session) = &*locked(&self.session) {
            headers.insert(SESSION_HEADER, session.clone());
        }
        if let Some(token) = &*locked(&self.token) {
            headers.insert(TOKEN_HEADER, token.clone());
        }
    }

    fn remember_session(&self, headers: &MetadataMap) {
        if let Some(session) = headers.get(SESSION_HEADER) {
            *locked(&self.session) = Some(session.clone());
        }
    }

    async fn log_in_if_needed(&self, deadline: Instant) -> Result<(), Error> {
        if self.config.user.is_some() && locked(&self.token).is_none() {
            self.log_in(deadline).await?;
        }
        Ok(())
    }

    async fn log_in(&self, deadline: Instant) -> Result<(), Error> {
        let Some(user) = &self.config.user else { return Ok(()) };
        *locked(&self.token) = None;
        let message = pb::AuthenticateRequest { name: user.name.clone(), password: user.password.clone() };
        let send = async |channel: Channel, request| {
            pb::auth_client::AuthClient::new(channel).authenticate(request).await
        };
        let answer = self.attempts(Call::read("authenticate"), deadline, message, None, &send).await?;
        *locked(&self.token) = header("token", Some(&answer.token))?;
        Ok(())
    }

    /// Whether logging in again may help.
    fn token_was_rejected(&self, status: &Status) -> bool {
        let stale = ["user name is empty", "revision of auth store is old"];
        self.config.user.is_some()
            && (status.code() == Code::Unauthenticated
                || stale.iter().any(|text| status.message().ends_with(text)))
    }
}

/// Whether asking again elsewhere may give an answer.
fn is_transient(status: &Status) -> bool {
    use std::error::Error as _;
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) || status.source().is_some()
}

fn header(name: &'static str, text: Option<&str>) -> Result<Option<MetadataValue<Ascii>>, Error> {
    text.map(|text| text.parse().map_err(|_| Error::BadHeader { name })).transpose()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds this lock")
}

#[cfg(test)]
mod tests;
