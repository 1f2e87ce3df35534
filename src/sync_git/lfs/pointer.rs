//! Pointers: what stands in a commit in place of a large file.
//!
//! In: a blob. Out: the object's SHA-256 and size, or the insight that it is an ordinary file. Source: git-lfs' docs/spec.md.

/// A pointer is shorter than this, by the specification.
pub(super) const LARGEST: usize = 1024;

/// The first lines that a pointer may have: the second is of before the format had its name.
const VERSIONS: [&str; 2] = ["version https://git-lfs.github.com/spec/v1", "version https://hawser.github.com/spec/v1"];

/// An object of the large file storage, by content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pointer {
    /// SHA-256, 64 lowercase hexadecimal digits.
    pub oid: String,
    /// Bytes.
    pub size: u64,
}

impl Pointer {
    /// Reads a blob; `None` when it is no pointer.
    pub(super) fn parse(blob: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(blob).ok().filter(|_| blob.len() < LARGEST)?;
        let mut lines = text.lines();
        if !VERSIONS.contains(&lines.next()?) {
            return None;
        }
        let (mut oid, mut size) = (None, None);
        for line in lines.filter(|line| !line.is_empty()) {
            match line.split_once(' ')? {
                ("oid", value) => oid = Some(value.strip_prefix("sha256:").filter(|oid| is_oid(oid))?.to_owned()),
                ("size", value) => size = Some(value.parse().ok()?),
                // Extensions would change the content on its way into the tree, and are programs.
                _ => return None,
            }
        }
        Some(Self { oid: oid?, size: size? })
    }
}

/// Whether a text is an object's name.
pub(super) fn is_oid(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_told_from_files_that_look_like_them() {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
        assert_eq!(Pointer::parse(text.as_bytes()), Some(Pointer { oid: oid.to_owned(), size: 12345 }));
        for other in [
            String::new(),
            text.replace("spec/v1", "spec/v2"),
            text.replace("sha256:4d", "sha256:4D"),
            text.replace("sha256:4d", "sha256:"),
            text.replace("sha256", "md5"),
            text.replace("12345", "-1"),
            text.replace("size 12345\n", ""),
            text.replace("oid", "ext-0-x sha256:ab\noid"),
            text.clone() + &"\n".repeat(1024),
        ] {
            assert_eq!(Pointer::parse(other.as_bytes()), None, "{other:?}");
        }
    }
}
