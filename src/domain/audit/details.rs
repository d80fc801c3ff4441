use super::Action;
use crate::domain::id::WorkerId;

/// The longest text, in characters.
const LONGEST: usize = 512;

/// What an [`Action`] says besides its name, in texts for those who write it down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The worker that somebody said to be, or that it is about.
    pub claimed: Option<WorkerId>,
    /// What it was done to.
    pub subject: Option<String>,
    /// Why, or how.
    pub why: Option<String>,
    /// How often, where it was only counted.
    pub times: Option<u64>,
}

impl Action {
    /// What it says besides its name; a text that is too long is cut.
    pub fn details(&self) -> Details {
        let whole = self.whole();
        Details {
            subject: whole.subject.map(bounded),
            why: whole.why.map(bounded),
            ..whole
        }
    }

    fn whole(&self) -> Details {
        let (claimed, subject, why) = match self {
            Self::Rejected {
                credentials,
                claimed,
            } => (claimed.clone(), credentials.join(", "), None),
            Self::Impersonated { claimed } => return Details::about(claimed.clone()),
            Self::Trespassed { what, id } => (None, format!("{what} {id}"), None),
            Self::Repeated { last, times } => {
                return Details {
                    times: Some(*times),
                    ..last.whole()
                };
            }
            Self::Registered | Self::Throttled | Self::Barred => return Details::default(),
            Self::Limited { class } => (None, format!("{} calls", class.name()), None),
            Self::GaveBack { receipt } => (None, format!("receipt {receipt}"), None),
            Self::Unreadable { entry, reason } => (None, entry.clone(), Some(reason.clone())),
            Self::LostPayload { entries } => (None, entries.join(" "), None),
            Self::UnknownRun { run } | Self::Spooled { run } => (None, format!("run {run}"), None),
            Self::Buried { run, reason } | Self::ResultBuried { run, reason } => {
                (None, format!("run {run}"), Some(reason.clone()))
            }
            Self::Conflicted {
                run,
                ended,
                reported,
            } => {
                let why = format!("ended {}, reported {}", ended.as_str(), reported.as_str());
                (None, format!("run {run}"), Some(why))
            }
            Self::Administered {
                what,
                subject,
                failure,
            } => (None, format!("{what} {subject}"), failure.clone()),
            Self::KeyChanged { what, key, worker } => {
                (worker.clone(), format!("{what} key {key}"), None)
            }
            Self::Reloaded { what, failure } => (None, (*what).to_owned(), failure.clone()),
        };
        Details {
            claimed,
            subject: Some(subject),
            why,
            times: None,
        }
    }
}

impl Details {
    fn about(worker: WorkerId) -> Self {
        Self {
            claimed: Some(worker),
            ..Self::default()
        }
    }
}

fn bounded(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}
