//! The grammar of an expression: text in, steps out, or the column where it ends to be one.

use serde_json::Value;

use super::{Comparison, MAX_DEPTH, Operand, PathError, Step};

/// The brace that closes the one at `open`; braces within quotes do not count.
pub(super) fn closing_brace(text: &str, open: usize) -> Result<usize, PathError> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text[open + 1..].char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '}') => return Ok(open + 1 + at),
            _ => {}
        }
    }
    Err(PathError { column: open + 1, reason: "this brace is never closed".to_owned() })
}

pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    /// Where the text begins in its template, for columns.
    pub(super) offset: usize,
}

impl Reader<'_> {
    pub(super) fn wrong(&self, reason: impl Into<String>) -> PathError {
        PathError { column: self.offset + self.at + 1, reason: reason.into() }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn end(&mut self) -> Result<(), PathError> {
        self.spaces();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.wrong(format!("{:?} is not understood", self.rest())))
        }
    }

    pub(super) fn path(&mut self, depth: usize) -> Result<Vec<Step>, PathError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("expressions are nested too deeply"));
        }
        let mut steps = Vec::new();
        if !self.take("$") {
            self.take("@");
        }
        let mut first = true;
        loop {
            if self.take("..") {
                steps.push(Step::Deep);
                if self.peek().is_some_and(|c| c != '[') {
                    steps.push(self.field()?);
                }
            } else if self.take(".") {
                match self.peek() {
                    None | Some(' ' | ')' | ',' | ']') if first => {}
                    Some('[') => {}
                    _ => steps.push(self.field()?),
                }
            } else if self.take("[") {
                steps.push(self.brackets(depth)?);
            } else if first && self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '*') {
                steps.push(self.field()?);
            } else {
                return Ok(steps);
            }
            first = false;
        }
    }

    fn field(&mut self) -> Result<Step, PathError> {
        if self.take("*") {
            return Ok(Step::Every);
        }
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.at += 1;
                let escaped = self.peek().ok_or_else(|| self.wrong("nothing follows the backslash"))?;
                name.push(escaped);
                self.at += escaped.len_utf8();
            } else if c.is_whitespace() || ".[](),=<>!{}'\"|&@$?".contains(c) {
                break;
            } else {
                name.push(c);
                self.at += c.len_utf8();
            }
        }
        if name.is_empty() { Err(self.wrong("a field's name is missing")) } else { Ok(Step::Field(name)) }
    }

    fn brackets(&mut self, depth: usize) -> Result<Step, PathError> {
        self.spaces();
        if self.take("?(") {
            let step = self.filter(depth + 1)?;
            self.spaces();
            return if self.take(")]") { Ok(step) } else { Err(self.wrong("a filter ends with `)]`")) };
        }
        let mut members = vec![self.member()?];
        self.spaces();
        while self.take(",") {
            self.spaces();
            members.push(self.member()?);
            self.spaces();
        }
        if !self.take("]") {
            return Err(self.wrong("a `]` is missing"));
        }
        match members.len() {
            1 => members.pop().ok_or_else(|| self.wrong("nothing stands between the brackets")),
            _ => Ok(Step::Union(members.into_iter().map(|step| vec![step]).collect())),
        }
    }

    fn member(&mut self) -> Result<Step, PathError> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok(Step::Every)
            }
            Some('\'' | '"') => Ok(Step::Field(self.quoted()?)),
            Some('-' | ':' | '0'..='9') => {
                let start = self.integer()?;
                if !self.take(":") {
                    return start.map(Step::Index).ok_or_else(|| self.wrong("an index is missing"));
                }
                let end = self.integer()?;
                let step = if self.take(":") { self.integer()?.unwrap_or(1) } else { 1 };
                if step < 1 {
                    return Err(self.wrong("the step of a slice must be at least 1"));
                }
                Ok(Step::Slice(start, end, step))
            }
            _ => self.field(),
        }
    }

    fn integer(&mut self) -> Result<Option<i64>, PathError> {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let length = rest.len() - digits.len() + digits.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return Ok(None);
        }
        let number = rest[..length].parse().map_err(|_| self.wrong(format!("{:?} is no index", &rest[..length])))?;
        self.at += length;
        Ok(Some(number))
    }

    pub(super) fn quoted(&mut self) -> Result<String, PathError> {
        let open = self.peek().ok_or_else(|| self.wrong("a quote is missing"))?;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, escaped)) => text.push(escaped),
                    None => break,
                },
                c if c == open => {
                    self.at += at + c.len_utf8();
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(self.wrong("this quote is never closed"))
    }

    fn filter(&mut self, depth: usize) -> Result<Step, PathError> {
        let left = self.operand(depth)?;
        self.spaces();
        let operators = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let Some((_, comparison)) = operators.into_iter().find(|(token, _)| self.take(token)) else {
            return Ok(Step::Filter(left, None));
        };
        self.spaces();
        let right = self.operand(depth)?;
        Ok(Step::Filter(left, Some((comparison, right))))
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, PathError> {
        self.spaces();
        match self.peek() {
            Some('\'' | '"') => Ok(Operand::Literal(Value::String(self.quoted()?))),
            Some('@' | '$' | '.') => Ok(Operand::Path(self.path(depth)?)),
            _ => {
                let length =
                    self.rest().find(|c: char| c.is_whitespace() || ")=<>!".contains(c)).unwrap_or(self.rest().len());
                let literal = serde_json::from_str(&self.rest()[..length])
                    .map_err(|_| self.wrong("a number, true, false, null, a quoted text or a path is expected"))?;
                self.at += length;
                Ok(Operand::Literal(literal))
            }
        }
    }
}
