//! Settings that change while a server runs.

/// Puts the old value of a setting back that counts from the next start only. Returns its name if it had changed.
pub fn keep<T: PartialEq + Clone>(name: &'static str, new: &mut T, current: &T) -> Option<&'static str> {
    let has_changed = new != current;
    new.clone_from(current);
    has_changed.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_named_if_it_had_changed() {
        let mut new = 2;
        assert_eq!(keep("a", &mut new, &1), Some("a"));
        assert_eq!((new, keep("a", &mut new, &1)), (1, None));
    }
}
