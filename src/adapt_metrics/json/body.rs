//! The body of a request: a text, or a template that the parameters of a probe fill.
//!
//! Of Go's templates as json_exporter takes them, what bodies are made of is read: `{{ .name | first }}`, texts, numbers,
//! and the functions of [`Function`]. Refused at load: every other function, `if`, `range` and variables.

use super::request::Parameters;

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// As it is.
    Fixed(String),
    /// With the parameters of the probe in it.
    Template(Vec<Piece>),
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// Text between actions.
    Text(String),
    /// An action: commands, each of which gets the value of the one before as its last argument.
    Pipe(Vec<Command>),
}

/// One command of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    function: Option<Function>,
    arguments: Vec<Operand>,
}

/// The functions that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// The first value of a parameter.
    First,
    /// The last one.
    Last,
    /// All of them, with a text between.
    Join,
    /// Capital letters.
    Upper,
    /// Small letters.
    Lower,
    /// Without the space around it.
    Trim,
    /// So many characters of it.
    Trunc,
    /// So many times.
    Repeat,
    /// Another text where there is none.
    Default,
    /// In double quotes.
    Quote,
    /// One text in place of another.
    Replace,
}

const FUNCTIONS: [(&str, Function, usize); 11] = [
    ("first", Function::First, 1),
    ("last", Function::Last, 1),
    ("join", Function::Join, 2),
    ("upper", Function::Upper, 1),
    ("lower", Function::Lower, 1),
    ("trim", Function::Trim, 1),
    ("trunc", Function::Trunc, 2),
    ("repeat", Function::Repeat, 2),
    ("default", Function::Default, 2),
    ("quote", Function::Quote, 1),
    ("replace", Function::Replace, 3),
];
/// The longest text that `repeat` makes, in bytes.
const MAX_REPEATED: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Text(String),
    Parameter(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    List(Vec<String>),
    Nothing,
}

impl Body {
    /// Reads a template.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn template(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, action)) = rest.split_once("{{") {
            let (action, after) = action.split_once("}}").ok_or("an action is opened with `{{` and never closed")?;
            let (before, action) = match action.strip_prefix("- ") {
                Some(action) => (before.trim_end(), action),
                None => (before, action),
            };
            let (action, after) = match action.strip_suffix(" -") {
                Some(action) => (action, after.trim_start()),
                None => (action, after),
            };
            pieces.push(Piece::Text(before.to_owned()));
            if !action.trim_start().starts_with("/*") {
                pieces.push(Piece::Pipe(pipe(action)?));
            }
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self::Template(pieces))
    }

    /// The text that is sent.
    pub(super) fn text(&self, parameters: &Parameters) -> String {
        let pieces = match self {
            Self::Fixed(text) => return text.clone(),
            Self::Template(pieces) => pieces,
        };
        let value = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Pipe(commands) => commands
                .iter()
                .fold(None, |before: Option<Value>, command| Some(command.value(before, parameters)))
                .map_or_else(String::new, |value| value.shown()),
        };
        pieces.iter().map(value).collect()
    }
}

fn pipe(action: &str) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    for word in words(action)? {
        if word == "|" {
            commands.push(Vec::new());
        } else if let Some(command) = commands.last_mut() {
            command.push(word);
        }
    }
    commands.iter().enumerate().map(|(at, words)| command(words, at > 0)).collect()
}

fn command(words: &[String], is_piped: bool) -> Result<Command, String> {
    let (head, rest) = words.split_first().ok_or("a command of an action is empty")?;
    let arguments = |words: &[String]| words.iter().map(|word| operand(word)).collect::<Result<Vec<_>, _>>();
    let Some((_, function, takes)) = FUNCTIONS.iter().find(|(name, ..)| name == head) else {
        if is_piped || !rest.is_empty() {
            return Err(format!("{head:?} is no function that is known here"));
        }
        return Ok(Command { function: None, arguments: arguments(words)? });
    };
    if rest.len() + usize::from(is_piped) != *takes {
        return Err(format!("{head} takes {takes} arguments"));
    }
    Ok(Command { function: Some(*function), arguments: arguments(rest)? })
}

fn operand(word: &str) -> Result<Operand, String> {
    if let Some(name) = word.strip_prefix('.').filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_')) {
        return Ok(Operand::Parameter(name.to_owned()));
    }
    if let Some(text) = word.strip_prefix('\u{0}') {
        return Ok(Operand::Text(text.to_owned()));
    }
    if word.parse::<f64>().is_ok() {
        return Ok(Operand::Text(word.to_owned()));
    }
    Err(format!("{word:?} is neither a parameter (.name), a text, a number nor a function that is known here"))
}

/// The words of an action. A quoted one begins with a NUL, which no other can hold.
fn words(action: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '|' {
            words.push("|".to_owned());
            rest = rest[1..].trim_start();
        } else if matches!(first, '"' | '`') {
            let mut text = String::from('\u{0}');
            let mut chars = rest.char_indices().skip(1);
            let end = loop {
                match chars.next() {
                    None => return Err("a quoted text is never closed".to_owned()),
                    Some((at, c)) if c == first => break at,
                    Some((_, '\\')) if first == '"' => match chars.next() {
                        Some((_, 'n')) => text.push('\n'),
                        Some((_, 't')) => text.push('\t'),
                        Some((_, c)) => text.push(c),
                        None => {}
                    },
                    Some((_, c)) => text.push(c),
                }
            };
            words.push(text);
            rest = rest[end + 1..].trim_start();
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == '|').unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    Ok(words)
}

impl Command {
    fn value(&self, before: Option<Value>, parameters: &Parameters) -> Value {
        let mut values: Vec<Value> = self
            .arguments
            .iter()
            .map(|argument| match argument {
                Operand::Text(text) => Value::Text(text.clone()),
                Operand::Parameter(name) => Value::List(parameters.get(name).cloned().unwrap_or_default()),
            })
            .collect();
        values.extend(before);
        // The number of arguments was checked when the template was read.
        let last = values.pop().unwrap_or(Value::Nothing);
        let text = |at: usize| values.get(at).map_or_else(String::new, Value::shown);
        let count = |at: usize| text(at).parse::<usize>().unwrap_or(0);
        let made = match self.function {
            None => return last,
            Some(Function::First) => return last.item(|list| list.first()),
            Some(Function::Last) => return last.item(|list| list.last()),
            Some(Function::Join) => match last {
                Value::List(list) => list.join(&text(0)),
                other => other.shown(),
            },
            Some(Function::Upper) => last.shown().to_uppercase(),
            Some(Function::Lower) => last.shown().to_lowercase(),
            Some(Function::Trim) => last.shown().trim().to_owned(),
            Some(Function::Trunc) => last.shown().chars().take(count(0)).collect(),
            Some(Function::Repeat) => {
                let text = last.shown();
                text.repeat(count(0).min(MAX_REPEATED / text.len().max(1)))
            }
            Some(Function::Default) => match last {
                Value::Nothing => text(0),
                Value::List(list) if list.is_empty() => text(0),
                Value::Text(given) if given.is_empty() => text(0),
                other => return other,
            },
            Some(Function::Quote) => format!("{:?}", last.shown()),
            Some(Function::Replace) => last.shown().replace(&text(0), &text(1)),
        };
        Value::Text(made)
    }
}

impl Value {
    fn item<'v>(&'v self, choose: impl Fn(&'v [String]) -> Option<&'v String>) -> Value {
        match self {
            Self::List(list) => choose(list).map_or(Value::Nothing, |text| Value::Text(text.clone())),
            Self::Text(_) | Self::Nothing => Value::Nothing,
        }
    }

    /// As Go shows it.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(list) => format!("[{}]", list.join(" ")),
            Self::Nothing => "<no value>".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(template: &str) -> String {
        let parameters: Parameters = [
            ("pi".to_owned(), vec!["3.14".to_owned()]),
            ("two".to_owned(), vec!["very high".to_owned(), "b".to_owned()]),
        ]
        .into();
        Body::template(template).map_or_else(|error| format!("!{error}"), |body| body.text(&parameters))
    }

    #[test]
    fn parameters_fill_a_template() {
        for (template, text) in [
            ("plain }} text", "plain }} text"),
            ("pi is {{ .pi | first }}.", "pi is 3.14."),
            ("{\"pi\": {{ .pi | first | quote }}}", "{\"pi\": \"3.14\"}"),
            ("{{ .two }}|{{.none}}", "[very high b]|[]"),
            ("{{ .none | first }}", "<no value>"),
            ("{{ .none | first | default \"x\" }}", "x"),
            ("{{ upper `pi` | repeat 3 }}{{ .two | last }}", "PIPIPIb"),
            ("{{ lower `All Small` | trunc 3 }}", "all"),
            ("a {{- .two | join \",\" | replace \" \" \"_\" -}} b{{/* c */}}", "avery_high,bb"),
        ] {
            assert_eq!(sent(template), text, "{template}");
        }
    }

    #[test]
    fn what_no_body_needs_is_refused() {
        for template in
            ["{{ randInt 1 2 }}", "{{ if .x }}", "{{ .x", "{{ `x }}", "{{ .x | nope }}", "{{ }}", "{{ $x }}"]
        {
            assert!(sent(template).starts_with('!'), "{template}: {}", sent(template));
        }
    }
}
