//! The steps of a path through a document: values in, values out.

use serde_json::Value;

use super::{Absent, Comparison, MAX_VALUES, Operand, Step};

/// The values that a path leads to.
pub(super) fn walk<'v>(steps: &[Step], from: &'v Value, root: &'v Value) -> Result<Vec<&'v Value>, Absent> {
    let mut values = vec![from];
    let mut deep = false;
    for step in steps {
        if deep {
            values = values.into_iter().flat_map(descendants).take(MAX_VALUES + 1).collect();
            deep = false;
            values = values.iter().filter_map(|value| apply(step, value, root).ok()).flatten().collect();
        } else if *step == Step::Deep {
            deep = true;
        } else {
            let mut next = Vec::new();
            for value in values {
                next.extend(apply(step, value, root)?);
                if next.len() > MAX_VALUES {
                    return Err(Absent::TooMany);
                }
            }
            values = next;
        }
        if values.len() > MAX_VALUES {
            return Err(Absent::TooMany);
        }
    }
    Ok(if deep { values.into_iter().flat_map(descendants).collect() } else { values })
}

fn apply<'v>(step: &Step, value: &'v Value, root: &'v Value) -> Result<Vec<&'v Value>, Absent> {
    match step {
        Step::Field(name) => {
            value.get(name.as_str()).map(|found| vec![found]).ok_or_else(|| Absent::Field(name.clone()))
        }
        Step::Every => Ok(children(value)),
        Step::Deep => Ok(descendants(value)),
        Step::Index(index) => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let at = if *index < 0 { index + items.len() as i64 } else { *index };
            usize::try_from(at).ok().and_then(|at| items.get(at)).map(|item| vec![item]).ok_or(Absent::Index(*index))
        }
        Step::Slice(start, end, step) => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let length = items.len() as i64;
            let bound = |at: i64| (if at < 0 { at + length } else { at }).clamp(0, length) as usize;
            let (start, end) = (bound(start.unwrap_or(0)), bound(end.unwrap_or(length)));
            Ok(items.get(start..end).unwrap_or_default().iter().step_by(*step as usize).collect())
        }
        Step::Union(members) => {
            let found: Vec<_> = members.iter().filter_map(|path| walk(path, value, root).ok()).flatten().collect();
            Ok(found)
        }
        Step::Filter(left, comparison) => {
            Ok(children(value).into_iter().filter(|child| holds(left, comparison.as_ref(), child, root)).collect())
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// The value and all below it, parents first. A document's depth is bounded by its parser.
fn descendants(value: &Value) -> Vec<&Value> {
    let mut found = vec![value];
    let mut at = 0;
    while at < found.len() && found.len() <= MAX_VALUES {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

fn holds(left: &Operand, comparison: Option<&(Comparison, Operand)>, child: &Value, root: &Value) -> bool {
    let left = resolve(left, child, root);
    let Some((comparison, right)) = comparison else { return left.is_some() };
    let (Some(left), Some(right)) = (left, resolve(right, child, root)) else { return false };
    let order = match (&left, &right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => return matches!((comparison, left == right), (Comparison::Equal, true) | (Comparison::Unequal, false)),
    };
    match comparison {
        Comparison::Equal => order.is_some_and(|order| order.is_eq()),
        Comparison::Unequal => order.is_none_or(|order| order.is_ne()),
        Comparison::Less => order.is_some_and(|order| order.is_lt()),
        Comparison::LessOrEqual => order.is_some_and(|order| order.is_le()),
        Comparison::Greater => order.is_some_and(|order| order.is_gt()),
        Comparison::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
    }
}

fn resolve(operand: &Operand, child: &Value, root: &Value) -> Option<Value> {
    match operand {
        Operand::Literal(value) => Some(value.clone()),
        Operand::Path(path) => walk(path, child, root).ok()?.first().map(|value| (*value).clone()),
    }
}
