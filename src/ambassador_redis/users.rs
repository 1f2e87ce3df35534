//! The ambassador's own users: who may come in, and whether they may write.
//!
//! A file in the form of Redis' ACL files comes in, one user a line:
//!
//! ```text
//! user NAME [on|off] [nopass] [#SHA256…] [~*] [+@all | +@read]
//! ```
//!
//! `#` stands before the SHA-256 of a password in hex (`printf %s PASSWORD | sha256sum`); a user may have several. `+@all` lets a user
//! do whatever the ambassador itself may do, `+@read` only read. A user without either may only greet. Refused, with its line: anything
//! else that Redis' ACL has (it would promise what is not kept), and passwords in the clear.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use ring::digest::{SHA256, digest};

use crate::core::secret;

/// Users that a file may hold.
const MAX_USERS: usize = 10_000;
/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// What a client may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Greet, and prove who it is.
    #[default]
    Stranger,
    /// Greet, as a user without rights.
    Nothing,
    /// Read.
    Read,
    /// Whatever the ambassador may.
    All,
}

/// All users of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Users(HashMap<Vec<u8>, User>);

#[derive(Debug, Default, PartialEq, Eq)]
struct User {
    on: bool,
    nopass: bool,
    passwords: Vec<[u8; 32]>,
    access: Access,
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not understood.
    pub fn read(path: &std::path::Path) -> Result<Arc<Users>> {
        let shown = path.display();
        let reading = || format!("cannot read the users in {shown}");
        let size = std::fs::metadata(path).with_context(reading)?.len();
        ensure!(size <= MAX_FILE, "the users file {shown} has {size} bytes, more than the {MAX_FILE} that are read");
        let text = std::fs::read_to_string(path).with_context(reading)?;
        let mut users = Users::default();
        for (number, line) in (1..).zip(text.lines()) {
            users.add(line.trim()).with_context(|| format!("{shown}:{number}"))?;
        }
        Ok(Arc::new(users))
    }

    fn add(&mut self, line: &str) -> Result<()> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        ensure!(words.next() == Some("user"), "a line begins with the word user");
        let name = words.next().context("the user has no name")?;
        let mut user = User { access: Access::Nothing, ..User::default() };
        for word in words {
            match word {
                "on" => user.on = true,
                "off" => user.on = false,
                "nopass" => user.nopass = true,
                "+@all" | "allcommands" => user.access = Access::All,
                "+@read" => user.access = Access::Read,
                "-@all" | "nocommands" => user.access = Access::Nothing,
                "~*" | "allkeys" | "&*" | "allchannels" | "sanitize-payload" => {}
                _ if word.starts_with('>') => {
                    bail!(
                        "a password in the clear is not taken; write # and its SHA-256 (printf %s PASSWORD | sha256sum)"
                    )
                }
                _ => match word.strip_prefix('#') {
                    Some(hex) => user.passwords.push(hash(hex).context("# must be followed by 64 hexadecimal digits")?),
                    None => bail!(
                        "{word:?} is not understood here; a user has on, off, nopass, #SHA256, ~*, +@all and +@read"
                    ),
                },
            }
        }
        ensure!(self.0.len() < MAX_USERS, "there are more than {MAX_USERS} users");
        ensure!(self.0.insert(name.as_bytes().to_vec(), user).is_none(), "the user {name} is there twice");
        Ok(())
    }

    /// What somebody may do who gives no name: what the user `default` may, if that needs no password.
    pub fn access_at_first(&self) -> Access {
        match self.0.get(b"default".as_slice()) {
            Some(user) if user.on && user.nopass => user.access,
            _ => Access::Stranger,
        }
    }

    /// What these credentials allow; `None` if they are wrong. An unknown user takes as long as a known one.
    pub fn check(&self, name: &[u8], password: &[u8]) -> Option<Access> {
        let given = digest(&SHA256, password);
        let user = self.0.get(name)?;
        let known = user.passwords.iter().fold(false, |known, hash| known | secret::is_same(hash, given.as_ref()));
        (user.on && (user.nopass || known)).then_some(user.access)
    }

    /// What a user may do who has proved to be that; `None` if it is gone, or off.
    pub fn access(&self, name: &[u8]) -> Option<Access> {
        self.0.get(name).filter(|user| user.on).map(|user| user.access)
    }
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `secret`.
    const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn users(text: &str) -> Result<Users> {
        let mut users = Users::default();
        text.lines().try_for_each(|line| users.add(line)).map(|()| users)
    }

    #[test]
    fn a_user_is_known_by_any_of_its_passwords() {
        let text = format!(
            "# ours\nuser default off\nuser app on #{SECRET} ~* +@all\nuser viewer on #{} #{SECRET} +@read\nuser gone off #{SECRET} +@all\nuser idle on nopass",
            "0".repeat(64)
        );
        let users = users(&text).expect("users");
        assert_eq!(users.access_at_first(), Access::Stranger);
        assert_eq!(users.check(b"app", b"secret"), Some(Access::All));
        assert_eq!(users.check(b"viewer", b"secret"), Some(Access::Read));
        assert_eq!(users.check(b"idle", b"anything"), Some(Access::Nothing));
        for (name, password) in
            [("app", "Secret"), ("app", ""), ("gone", "secret"), ("nobody", "secret"), ("default", "")]
        {
            assert_eq!(users.check(name.as_bytes(), password.as_bytes()), None, "{name} {password}");
        }
        assert_eq!(users.access(b"gone"), None);
    }

    #[test]
    fn without_a_password_everybody_is_the_default_user() {
        assert_eq!(users("user default on nopass ~* +@read").expect("users").access_at_first(), Access::Read);
    }

    #[test]
    fn what_would_not_be_kept_is_refused() {
        for line in [
            "user",
            "default on",
            "user a on >secret",
            "user a +get",
            "user a ~app:*",
            "user a #12",
            "user a on\nuser a on",
        ] {
            assert!(users(line).is_err(), "{line}");
        }
    }
}
