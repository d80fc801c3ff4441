//! Where settings come from, in layers: a later one wins.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};

use super::super::Environment;
use super::super::cli::Flags;
use super::problem::Problem;
use super::table::{self, Setting};

/// All layers, and what was wrong with them as a whole.
pub(super) fn gather(flags: &Flags, environment: &Environment) -> (Figment, Vec<Problem>) {
    let mut problems = Vec::new();
    let dotenv = environment
        .dotenv()
        .map(|path| read_dotenv(path, &mut problems))
        .unwrap_or_default();
    let variables = variables(environment, &mut problems);

    let mut figment = Figment::from(defaults());
    if let Some((path, origin)) = file(flags, environment, &dotenv) {
        figment = figment.merge(read_toml(&path, &origin, &mut problems));
    }
    let figment = figment.merge(dotenv).merge(variables).merge(set_by(flags));
    (figment, problems)
}

/// The files among them, whether or not they are there.
pub(super) fn files(flags: &Flags, environment: &Environment) -> Vec<PathBuf> {
    let dotenv = environment.dotenv();
    // What is wrong with it is found when it is read.
    let read = dotenv.map(|path| read_dotenv(path, &mut Vec::new()));
    let toml = file(flags, environment, &read.unwrap_or_default());
    let toml = toml.map(|(path, _)| path);
    dotenv.map(Path::to_owned).into_iter().chain(toml).collect()
}

/// Whose word a value is.
#[derive(Clone, Debug, Default)]
enum Origin {
    #[default]
    Default,
    File(PathBuf),
    Dotenv(PathBuf),
    Variable,
    Flag,
}

impl Origin {
    /// The origin of the setting with this name or key, in words.
    fn of(&self, name: &str) -> String {
        let name = name.to_ascii_uppercase();
        match self {
            Self::Default => "default".to_owned(),
            Self::File(path) => format!("file {}", path.display()),
            Self::Dotenv(path) => format!("{name} in {}", path.display()),
            Self::Variable => format!("environment variable {name}"),
            Self::Flag => {
                let setting = table::all().find(|setting| setting.name == name);
                let flag = setting.and_then(|setting| setting.flag);
                format!("flag {}", flag.unwrap_or(table::CONFIG.1))
            }
        }
    }
}

/// Values of one origin, by their keys.
#[derive(Default)]
struct Layer {
    origin: Origin,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let origin = self.origin.clone();
        Metadata::named("settings").interpolater(move |_, keys| origin.of(&keys.join(".")))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

impl Layer {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            values: Dict::new(),
        }
    }

    fn put(&mut self, setting: &Setting, value: impl Into<Value>) {
        self.values.insert(setting.key(), value.into());
    }
}

fn defaults() -> Layer {
    let mut layer = Layer::new(Origin::Default);
    for setting in table::all() {
        if let Some(value) = setting.default {
            layer.put(setting, value);
        }
    }
    layer
}

fn variables(environment: &Environment, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::new(Origin::Variable);
    for setting in table::all() {
        match environment.get(setting.name).map(OsStr::to_str) {
            Some(Some(value)) => layer.put(setting, value),
            Some(None) => problems.push(Problem(format!(
                "{} ({}) is not Unicode text",
                setting.name,
                layer.origin.of(setting.name)
            ))),
            None => {}
        }
    }
    layer
}

fn set_by(flags: &Flags) -> Layer {
    let mut layer = Layer::new(Origin::Flag);
    for setting in table::all() {
        let value = match setting.flag {
            Some("--host") => flags.host.clone(),
            Some("--port") => flags.port.clone(),
            Some("--debug") => flags.debug.then(|| "DEBUG".to_owned()),
            Some("--migrate") => flags.migrate.then(|| "true".to_owned()),
            _ => None,
        };
        if let Some(value) = value {
            layer.put(setting, value);
        }
    }
    layer
}

/// The variables in the file, the empty ones left out. Of two with one name the later counts, and
/// `$NAME` stands for another one, unless it is in single quotes.
fn read_dotenv(path: &Path, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::new(Origin::Dotenv(path.to_owned()));
    // A folder of this name is somebody's virtual environment.
    if !path.exists() || path.is_dir() {
        return layer;
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(unreadable(path, "working directory", error));
            return layer;
        }
    };
    let text = text.trim_start_matches('\u{feff}');
    for line in dotenvy::from_read_iter(text.as_bytes()) {
        match line {
            Ok((name, value)) => {
                layer.values.insert(name.to_ascii_lowercase(), value.into());
            }
            // The error quotes the line, which may hold a secret; its number does as well.
            Err(dotenvy::Error::LineParse(line, _)) => problems.push(Problem(format!(
                "{}{} is not NAME=value; a value with spaces or # needs quotes",
                path.display(),
                number_of(&line, text)
            ))),
            Err(_) => problems.push(unreadable(path, "working directory", "unknown error")),
        }
    }
    layer
        .values
        .retain(|_, value| value.as_str().is_some_and(|v| !v.trim().is_empty()));
    layer
}

/// Where the text that could not be read stands, as far as can be told.
fn number_of(part: &str, text: &str) -> String {
    let first = part.lines().next().unwrap_or_default();
    text.lines()
        .position(|line| !first.is_empty() && line.contains(first) && !line.starts_with('#'))
        .map(|index| format!(", line {},", index + 1))
        .unwrap_or_default()
}

/// The path of the TOML file, and who named it.
fn file(flags: &Flags, environment: &Environment, dotenv: &Layer) -> Option<(PathBuf, String)> {
    let name = table::CONFIG.0;
    let in_dotenv = dotenv.values.get(&name.to_ascii_lowercase());
    flags
        .config
        .clone()
        .map(|path| (path, Origin::Flag.of(name)))
        .or_else(|| Some((environment.get(name)?.into(), Origin::Variable.of(name))))
        .or_else(|| Some((in_dotenv?.as_str()?.into(), dotenv.origin.of(name))))
}

fn read_toml(path: &Path, named_by: &str, problems: &mut Vec<Problem>) -> Layer {
    let origin = Origin::File(path.to_owned());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(unreadable(path, named_by, error));
            return Layer::new(origin);
        }
    };
    match Toml::from_str::<Dict>(&text) {
        Ok(mut values) => {
            values.retain(|key, value| {
                let known = table::all().any(|setting| setting.key() == *key);
                if !known {
                    problems.push(unknown(key, value, path));
                }
                known
            });
            Layer { origin, values }
        }
        // The error quotes the line, which may hold a secret; its message does not.
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].split(|b| *b == b'\n').count();
            problems.push(Problem(format!(
                "{}, line {line}, is not TOML: {}",
                path.display(),
                error.message().replace('\n', "; ")
            )));
            Layer::new(origin)
        }
    }
}

fn unreadable(path: &Path, named_by: &str, error: impl Display) -> Problem {
    Problem(format!(
        "{} ({named_by}) cannot be read: {error}",
        path.display()
    ))
}

fn unknown(key: &str, value: &Value, path: &Path) -> Problem {
    let near = table::all()
        .map(Setting::key)
        .map(|known| (strsim::jaro_winkler(&key.to_lowercase(), &known), known))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let hint = match (value, near) {
        (Value::Dict(..), _) => "keys are flat, such as grpc_port".to_owned(),
        (_, Some((_, known))) => format!("did you mean {known}?"),
        (_, None) => "README has those there are".to_owned(),
    };
    let origin = Origin::File(path.to_owned()).of(key);
    Problem(format!("{key:?} ({origin}) is no setting; {hint}"))
}
