use std::collections::BTreeMap;

use figment::Figment;
use figment::value::Value;

use super::parse::Parsed;
use super::problem::Problem;
use super::table::{self, Setting};
use super::url;

/// Takes settings out of the layers one by one, and remembers where each came from and what was
/// wrong with it.
pub(super) struct Reader {
    layers: Figment,
    problems: Vec<Problem>,
    read: BTreeMap<&'static str, Effective>,
}

/// What a setting came to be.
#[derive(Clone, Debug)]
pub(super) struct Effective {
    pub(super) shown: String,
    pub(super) origin: String,
    sound: bool,
    given: bool,
}

impl Reader {
    pub(super) fn new(layers: Figment, problems: Vec<Problem>) -> Self {
        Self {
            layers,
            problems,
            read: BTreeMap::new(),
        }
    }

    /// The value of a setting that has a default.
    pub(super) fn get<T>(&mut self, name: &str, parse: impl Fn(&str) -> Parsed<T>) -> T {
        let default = table::named(name).default;
        self.find(name, &parse)
            .or_else(|| parse(default?).ok())
            .expect("a default that parses, or the first load of all would fail")
    }

    /// The value of a setting, if it has one that can be used.
    pub(super) fn find<T>(&mut self, name: &str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let setting = table::named(name);
        let Ok(value) = self.layers.find_value(&setting.key()) else {
            self.note(setting, "-", "not set", true);
            return None;
        };
        let origin = self.origin(setting, &value);
        let Some(text) = text(&value) else {
            self.note(setting, "***", &origin, false);
            self.blame(format!("{name} ({origin}) must be a single value"));
            return None;
        };
        let shown = shown(setting, text.trim());
        match parse(text.trim()) {
            Ok(value) => {
                self.note(setting, &shown, &origin, true);
                Some(value)
            }
            Err(wanted) => {
                self.note(setting, &shown, &origin, false);
                self.blame(format!(
                    "{name} is \"{shown}\" ({origin}), but must be {wanted}"
                ));
                None
            }
        }
    }

    /// Says what became of a setting that was left out.
    pub(super) fn chosen(&mut self, name: &'static str, shown: &str, why: &str) {
        if let Some(effective) = self.read.get_mut(name)
            && !effective.given
        {
            shown.clone_into(&mut effective.shown);
            why.clone_into(&mut effective.origin);
        }
    }

    /// Whether somebody set it, rather than leaving it at its default.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.read.get(name).is_some_and(|effective| effective.given)
    }

    /// Whether what was read of it could be used.
    pub(super) fn is_sound(&self, name: &str) -> bool {
        self.read.get(name).is_none_or(|effective| effective.sound)
    }

    /// The setting with its origin, for a problem that names it.
    pub(super) fn cite(&self, name: &str) -> String {
        match self.read.get(name) {
            Some(effective) => format!("{name} ({})", effective.origin),
            None => name.to_owned(),
        }
    }

    pub(super) fn blame(&mut self, text: String) {
        self.problems.push(Problem(text));
    }

    /// Everything that was read by name, or every problem.
    pub(super) fn finish(self) -> Result<BTreeMap<&'static str, Effective>, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(self.read)
        } else {
            Err(self.problems)
        }
    }

    fn origin(&self, setting: &Setting, value: &Value) -> String {
        self.layers
            .get_metadata(value.tag())
            .map(|metadata| metadata.interpolate(self.layers.profile(), &[setting.name]))
            .unwrap_or_default()
    }

    fn note(&mut self, setting: &'static Setting, shown: &str, origin: &str, sound: bool) {
        let effective = Effective {
            shown: shown.to_owned(),
            origin: origin.to_owned(),
            sound,
            given: !matches!(origin, "default" | "not set"),
        };
        self.read.insert(setting.name, effective);
    }
}

/// A single value as it would stand in a variable.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, text) => Some(text.to_string()),
        Value::Bool(_, switch) => Some(switch.to_string()),
        Value::Num(_, number) => number
            .to_u128()
            .map(|n| n.to_string())
            .or_else(|| number.to_i128().map(|n| n.to_string()))
            .or_else(|| number.to_f64().map(|n| n.to_string())),
        Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
    }
}

/// A value fit for a line of output: secrets masked, control characters escaped, cut if long.
fn shown(setting: &Setting, text: &str) -> String {
    const LONGEST: usize = 200;
    if setting.secret {
        return url::masked(text);
    }
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}
