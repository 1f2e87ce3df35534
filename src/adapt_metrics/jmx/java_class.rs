//! Classes of characters in Java's regular expressions: escapes, `\p{…}` and brackets, in Rust's spelling.

use super::java_regex::NotJava;

/// What an escape stands for.
pub(super) enum Escaped {
    /// The inside of a bracket expression.
    Set(String),
    /// One character, spelled for Rust.
    Single(String),
}

/// The escapes that mean the same inside of brackets and outside.
pub(super) fn class_escape(next: char, rest: &mut std::str::Chars<'_>) -> Result<Escaped, NotJava> {
    let set = |set: &str| Ok(Escaped::Set(set.to_owned()));
    let single = |single: String| Ok(Escaped::Single(single));
    match next {
        'd' => set("0-9"),
        'D' => set("^0-9"),
        'w' => set("a-zA-Z_0-9"),
        'W' => set("^a-zA-Z_0-9"),
        's' => set(" \\t\\n\\x0B\\f\\r"),
        'S' => set("^ \\t\\n\\x0B\\f\\r"),
        'h' => set(" \\t\\x{A0}\\x{1680}\\x{180e}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}"),
        'v' => set("\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}"),
        't' | 'n' | 'r' | 'f' | 'a' => single(format!("\\{next}")),
        'e' => single("\\x1B".to_owned()),
        'x' if rest.as_str().starts_with('{') => {
            let digits: String = rest.by_ref().take_while(|digit| *digit != '}').collect();
            single(format!("\\x{digits}}}"))
        }
        'x' => single(format!("\\x{}", take_digits(rest, 2, 16)?)),
        'u' => single(format!("\\x{{{}}}", take_digits(rest, 4, 16)?)),
        '0' => {
            let octal: String = rest.as_str().chars().take(3).take_while(|digit| digit.is_digit(8)).collect();
            rest.by_ref().take(octal.len()).for_each(drop);
            let code = u32::from_str_radix(&octal, 8).map_err(|_| NotJava("`\\0` needs octal digits".to_owned()))?;
            single(format!("\\x{{{code:x}}}"))
        }
        'c' => match rest.next() {
            Some(control) if control.is_ascii() => single(format!("\\x{:02x}", control as u8 ^ 64)),
            _ => Err(NotJava("`\\c` needs a character".to_owned())),
        },
        'p' | 'P' => property(next, rest),
        letter if letter.is_ascii_alphanumeric() => Err(NotJava(format!("`\\{letter}` is not supported"))),
        other => single(regex::escape(other.encode_utf8(&mut [0; 4]))),
    }
}

fn take_digits(rest: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Result<String, NotJava> {
    let digits: String = rest.by_ref().take(count).collect();
    match digits.len() == count && digits.chars().all(|digit| digit.is_digit(radix)) {
        true => Ok(digits),
        false => Err(NotJava(format!("`{digits}` are not {count} hexadecimal digits"))),
    }
}

/// `\p{…}`: Java's POSIX names are ASCII; its Unicode names are mostly Rust's, with `Is` in front.
fn property(letter: char, rest: &mut std::str::Chars<'_>) -> Result<Escaped, NotJava> {
    let name: String = if rest.as_str().starts_with('{') {
        rest.next();
        rest.by_ref().take_while(|character| *character != '}').collect()
    } else {
        rest.next().into_iter().collect()
    };
    let posix = match name.as_str() {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => "\\x00-\\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => "!-/:-@\\[-`{-\\x7E",
        "Graph" => "!-\\x7E",
        "Print" => " -\\x7E",
        "Blank" => " \\t",
        "Cntrl" => "\\x00-\\x1F\\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => " \\t\\n\\x0B\\f\\r",
        name if name.starts_with("java") || name.starts_with("In") || name.is_empty() => {
            return Err(NotJava(format!("`\\{letter}{{{name}}}` is not supported")));
        }
        name => {
            let name = name.strip_prefix("Is").unwrap_or(name);
            return Ok(Escaped::Single(format!("\\{letter}{{{name}}}")));
        }
    };
    Ok(Escaped::Set(if letter == 'P' { format!("^{posix}") } else { posix.to_owned() }))
}

/// A bracket expression, behind its opening bracket. Nested ones are unions in both languages.
pub(super) fn class_body(rest: &mut std::str::Chars<'_>, out: &mut String) -> Result<(), NotJava> {
    let mut depth = 0;
    out.push('[');
    let mut first = true;
    loop {
        let character = rest.next().ok_or_else(|| NotJava("a bracket expression does not end".to_owned()))?;
        match character {
            '^' if first => {
                out.push('^');
                continue;
            }
            ']' if !first => {
                out.push(']');
                if depth == 0 {
                    return Ok(());
                }
                depth -= 1;
            }
            '[' => {
                out.push('[');
                depth += 1;
                first = true;
                continue;
            }
            '\\' => {
                let next = rest.next().ok_or_else(|| NotJava("it ends in a backslash".to_owned()))?;
                if next == 'Q' {
                    let (quoted, behind) = rest.as_str().split_once("\\E").unwrap_or((rest.as_str(), ""));
                    out.push_str(&regex::escape(quoted));
                    *rest = behind.chars();
                } else {
                    match class_escape(next, rest)? {
                        Escaped::Set(set) if set.starts_with('^') => out.push_str(&format!("[{set}]")),
                        Escaped::Set(set) => out.push_str(&set),
                        Escaped::Single(single) => out.push_str(&single),
                    }
                }
            }
            // In Rust `--` and `~~` are operators.
            '-' if out.ends_with('-') => out.push_str("\\-"),
            ']' | '~' => out.extend(['\\', character]),
            other => out.push(other),
        }
        first = false;
    }
}
