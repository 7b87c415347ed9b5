//! What each op does to the value it is given.

use vergate::adaptation::{
    literal::Literal,
    op::{Comeback, Conflict, Group, List, Many, Op, Pieces, Rest},
    pointer::Name,
};

use super::{
    Context, Fate, Refused, Step, find,
    json::{Json, characters, is, quoted},
    scalars,
};

type Members = Vec<(String, Json)>;

pub(crate) fn act(step: &Step<'_>, node: &mut Json, context: &mut Context) -> Result<Fate, Refused> {
    let up = step.up;
    match &step.edit.op {
        Op::Rename(pairs) => {
            let pairs: Vec<_> = pairs.iter().map(|(old, new)| if up { (old, new) } else { (new, old) }).collect();
            rename(step, node, &pairs)?;
        }
        Op::Move { from, to } => {
            let (from, to) = if up { (from, to) } else { (to, from) };
            relocate(step, node, from, to)?;
        }
        Op::Nest(group) if up => collect(step, node, group, context)?,
        Op::Unnest(group) if !up => collect(step, node, group, context)?,
        Op::Nest(group) | Op::Unnest(group) => scatter(step, node, group, context)?,
        Op::Add { .. } if !up => {
            context.narrowed = true;
            return Ok(Fate::Goes);
        }
        Op::Add { path, value, replaces_null } => {
            let Json::Object(_) = node else { return step.misfit(node, "shape").map(|()| Fate::Stays) };
            let name = path.split_name().expect("a name").1;
            let present = find(node, name.as_str())?;
            let Json::Object(members) = node else { return Ok(Fate::Stays) };
            let Some(value) = value.as_ref().filter(|_| !context.patch).map(written) else { return Ok(Fate::Stays) };
            match present {
                None => members.push((quoted(name.as_str()), value)),
                Some(index) if *replaces_null && members[index].1.is_null() => members[index].1 = value,
                Some(_) if step.refuses_strays() => return Err("conflict"),
                Some(index) if step.edit.conflict == Some(Conflict::Replace) => {
                    members.remove(index);
                    members.push((quoted(name.as_str()), value));
                }
                Some(_) => {}
            }
        }
        Op::Remove { down, .. } if up => {
            if let Comeback::Stash(name) = down {
                context.stash.retain(|(known, _)| **known != **name);
                context.stash.push((name.to_string(), node.clone()));
            }
            return Ok(Fate::Goes);
        }
        Op::Remove { down: Comeback::Absent, .. } => {}
        Op::Remove { path, down } => {
            let Json::Object(_) = node else { return step.misfit(node, "shape").map(|()| Fate::Stays) };
            let name = path.split_name().expect("a name").1;
            let present = find(node, name.as_str())?;
            let value = match down {
                Comeback::Value(value) => Some(written(value)),
                Comeback::Stash(name) => {
                    context.stash.iter().find(|(known, _)| **known == **name).map(|(_, value)| value.clone())
                }
                Comeback::Absent => None,
            };
            let (Some(value), false, Json::Object(members)) = (value, context.patch, node) else {
                return Ok(Fate::Stays);
            };
            if let Some(index) = present {
                if step.refuses_strays() {
                    return Err("conflict");
                }
                members.remove(index);
            }
            members.push((quoted(name.as_str()), value));
        }
        Op::Convert { from, to, on_error, .. } => {
            let (from, to) = if up { (*from, *to) } else { (*to, *from) };
            if node.is_null() {
                return Ok(Fate::Stays);
            }
            match scalars::converted(node, from, to) {
                Some(new) => *node = new,
                None => step.otherwise(node, on_error)?,
            }
        }
        Op::Scale { pow10, .. } => {
            let number = node.scalar().filter(|text| text.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
            let reason = if number.is_some() { "value" } else { "shape" };
            match number.and_then(|text| scalars::scaled(text, if up { *pow10 } else { -pow10 })) {
                Some(new) => *node = Json::Scalar(new),
                None => step.misfit(node, reason)?,
            }
        }
        Op::Map { pairs, up_else, down_else, .. } => {
            let listed = pairs.iter().map(|(old, new)| if up { (old, new) } else { (new, old) });
            match listed.into_iter().find(|(old, _)| scalars::equals(node, old)) {
                Some((_, new)) => *node = written(new),
                None if node.is_null() => {}
                None => step.otherwise(node, if up { up_else } else { down_else })?,
            }
        }
        Op::Wrap(list) if up => wrap(node, list, context),
        Op::Unwrap(list) if !up => wrap(node, list, context),
        Op::Wrap(list) | Op::Unwrap(list) => return unwrap(step, node, list),
        Op::Split(pieces) if up => cut(step, node, pieces)?,
        Op::Merge(pieces) if !up => cut(step, node, pieces)?,
        Op::Split(pieces) | Op::Merge(pieces) => join(step, node, pieces)?,
        Op::ElemWrap { key, .. } => elem_wrap(step, node, key, context)?,
        Op::Index { key, .. } if up => index(step, node, key)?,
        Op::Index { key, .. } => list(step, node, key)?,
        Op::DropElems { by, keep, .. } => drop_elems(step, node, by, keep, context)?,
        Op::Jq { .. } => unreachable!("nothing is known about jq"),
    }
    Ok(Fate::Stays)
}

fn written(literal: &Literal) -> Json {
    Json::read(&literal.to_string())
}

/// Takes the members out of an object; none for other values.
fn members_of(node: &mut Json) -> Option<&mut Members> {
    if let Json::Object(members) = node { Some(members) } else { None }
}

fn rename(step: &Step<'_>, node: &mut Json, pairs: &[(&Name, &Name)]) -> Result<(), Refused> {
    if !matches!(node, Json::Object(_)) {
        return step.misfit(node, "shape");
    }
    let mut present = Vec::new();
    for (from, to) in pairs {
        if find(node, from.as_str())?.is_some() {
            present.push((*from, *to));
        }
        find(node, to.as_str())?;
    }
    let Some(members) = members_of(node) else { return Ok(()) };
    let mut new: Members = Vec::new();
    for (name, value) in std::mem::take(members) {
        if let Some((_, to)) = present.iter().find(|(from, _)| is(&name, from.as_str())) {
            new.push((quoted(to.as_str()), value));
        } else if present.iter().any(|(_, to)| is(&name, to.as_str())) {
            if step.refuses_strays() {
                return Err("conflict");
            }
        } else {
            new.push((name, value));
        }
    }
    *members = new;
    Ok(())
}

fn relocate(step: &Step<'_>, node: &mut Json, from: &[Name], to: &[Name]) -> Result<(), Refused> {
    no_duplicates(node, to)?;
    match take(step, node, from)? {
        Some(value) => store(step, node, to, value),
        None => Ok(()),
    }
}

fn no_duplicates(node: &Json, path: &[Name]) -> Result<(), Refused> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    match (find(node, name.as_str())?, node) {
        (Some(index), Json::Object(members)) => no_duplicates(&members[index].1, rest),
        _ => Ok(()),
    }
}

fn take(step: &Step<'_>, node: &mut Json, path: &[Name]) -> Result<Option<Json>, Refused> {
    if !matches!(node, Json::Object(_)) {
        return step.misfit(node, "shape").map(|()| None);
    }
    let Some(index) = find(node, path[0].as_str())? else { return Ok(None) };
    let Some(members) = members_of(node) else { return Ok(None) };
    if path.len() == 1 {
        return Ok(Some(members.remove(index).1));
    }
    let value = take(step, &mut members[index].1, &path[1..])?;
    if value.is_some() && members[index].1 == Json::Object(Vec::new()) {
        members.remove(index);
    }
    Ok(value)
}

fn store(step: &Step<'_>, node: &mut Json, path: &[Name], value: Json) -> Result<(), Refused> {
    if node.is_null() {
        *node = Json::Object(Vec::new());
    }
    let present = find(node, path[0].as_str())?;
    let Some(members) = members_of(node) else { return Err("shape") };
    match present {
        Some(index) if path.len() > 1 => return store(step, &mut members[index].1, &path[1..], value),
        Some(_) if step.refuses_strays() => return Err("conflict"),
        Some(index) => drop(members.remove(index)),
        None => {}
    }
    let mut new = value;
    for name in path[1..].iter().rev() {
        new = Json::Object(vec![(quoted(name.as_str()), new)]);
    }
    members.push((quoted(path[0].as_str()), new));
    Ok(())
}

fn collect(step: &Step<'_>, node: &mut Json, group: &Group, context: &Context) -> Result<(), Refused> {
    if !matches!(node, Json::Object(_)) {
        return step.misfit(node, "shape");
    }
    let container = group.container.as_str();
    let at_place = find(node, container)?;
    for (_, outer) in &group.members {
        find(node, outer.as_str())?;
    }
    let Some(members) = members_of(node) else { return Ok(()) };
    let is_source = |name: &str| group.members.iter().find(|(_, outer)| is(name, outer.as_str()));
    let stray = at_place.filter(|index| is_source(&members[*index].0).is_none());
    if group.rest == Rest::Keep
        && let Some(index) = stray
    {
        for (inner, _) in &group.members {
            find(&members[index].1, inner.as_str())?;
        }
    }
    if !members.iter().any(|(name, _)| is_source(name).is_some()) {
        if group.always && !context.patch && at_place.is_none() {
            members.push((quoted(container), Json::Object(Vec::new())));
        }
        return Ok(());
    }
    let mut inside: Members = Vec::new();
    let mut first = None;
    let mut new: Members = Vec::new();
    let mut old = None;
    for (index, (name, value)) in std::mem::take(members).into_iter().enumerate() {
        if let Some((inner, _)) = is_source(&name) {
            first.get_or_insert(new.len());
            inside.push((quoted(inner.as_str()), value));
        } else if Some(index) == stray {
            old = Some(value);
        } else {
            new.push((name, value));
        }
    }
    match old {
        Some(Json::Object(kept)) if group.rest == Rest::Keep => {
            let collected = inside.clone();
            for (name, value) in kept {
                let is_collected = collected.iter().any(|(inner, _)| super::same_name(inner, &name));
                if is_collected && step.refuses_strays() {
                    return Err("conflict");
                }
                if !is_collected {
                    inside.push((name, value));
                }
            }
        }
        Some(_) if step.refuses_strays() => return Err("conflict"),
        _ => {}
    }
    // A stray in front of the group does not count for its place: it is gone.
    new.insert(first.unwrap_or(0), (quoted(container), Json::Object(inside)));
    *members = new;
    Ok(())
}

fn scatter(step: &Step<'_>, node: &mut Json, group: &Group, context: &mut Context) -> Result<(), Refused> {
    if !matches!(node, Json::Object(_)) {
        return step.misfit(node, "shape");
    }
    for (_, outer) in &group.members {
        find(node, outer.as_str())?;
    }
    let Some(place) = find(node, group.container.as_str())? else { return Ok(()) };
    let Some(members) = members_of(node) else { return Ok(()) };
    if members[place].1.is_null() {
        members.remove(place);
        return Ok(());
    }
    let Json::Object(inside) = members[place].1.clone() else {
        return if group.mismatch_is_error || step.edit.strict { Err("shape") } else { Ok(()) };
    };
    for (inner, _) in &group.members {
        find(&members[place].1, inner.as_str())?;
    }
    let mut spread: Members = Vec::new();
    let mut rest: Members = Vec::new();
    for (name, value) in inside {
        match group.members.iter().find(|(inner, _)| is(&name, inner.as_str())) {
            Some((_, outer)) => spread.push((quoted(outer.as_str()), value)),
            None => rest.push((name, value)),
        }
    }
    match group.rest {
        Rest::Error if !rest.is_empty() => return Err("rest"),
        Rest::Drop if !rest.is_empty() => context.narrowed = true,
        _ => {}
    }
    let mut new: Members = Vec::new();
    for (index, (name, value)) in members.iter().cloned().enumerate() {
        if index == place {
            new.extend(spread.iter().cloned());
            if group.rest == Rest::Keep && !rest.is_empty() {
                new.push((name, Json::Object(rest.clone())));
            }
        } else if !spread.iter().any(|(other, _)| super::same_name(other, &name)) {
            new.push((name, value));
        } else if step.refuses_strays() {
            return Err("conflict");
        }
    }
    *members = new;
    Ok(())
}

fn wrap(node: &mut Json, list: &List, context: &Context) {
    if node.is_null() {
        if list.null_is_empty && !context.patch {
            *node = Json::Array(Vec::new());
        }
    } else if !matches!(node, Json::Array(_)) {
        *node = Json::Array(vec![node.clone()]);
    }
}

fn unwrap(step: &Step<'_>, node: &mut Json, list: &List) -> Result<Fate, Refused> {
    let Json::Array(items) = &*node else { return step.misfit(node, "shape").map(|()| Fate::Stays) };
    let new = match (items.as_slice(), list.many) {
        ([], _) if list.empty_is_null => Json::null(),
        ([], _) => return Ok(Fate::Goes),
        ([one], _) => one.clone(),
        ([first, ..], Many::First) => first.clone(),
        ([.., last], Many::Last) => last.clone(),
        (_, Many::Error) => return Err("many"),
    };
    *node = new;
    Ok(Fate::Stays)
}

fn cut(step: &Step<'_>, node: &mut Json, pieces: &Pieces) -> Result<(), Refused> {
    if !matches!(node, Json::Object(_)) {
        return step.misfit(node, "shape");
    }
    for part in &pieces.parts {
        find(node, part.as_str())?;
    }
    let Some(place) = find(node, pieces.whole.as_str())? else { return Ok(()) };
    let Some(members) = members_of(node) else { return Ok(()) };
    let Some(raw) = members[place].1.string().map(str::to_owned) else {
        return step.misfit(&members[place].1, "shape");
    };
    let separator: Vec<u16> = pieces.separator.encode_utf16().collect();
    let mut texts = vec![String::new()];
    let mut rest = characters(&raw);
    while !rest.is_empty() {
        let upto = (1..=rest.len()).find(|count| {
            rest[..*count].iter().flat_map(|(said, _)| said.iter().copied()).collect::<Vec<_>>() == separator
        });
        match upto {
            Some(count) if texts.len() < pieces.parts.len() => {
                rest.drain(..count);
                texts.push(String::new());
            }
            _ => texts.last_mut().expect("one at least").push_str(rest.remove(0).1),
        }
    }
    let made: Members = texts
        .iter()
        .zip(&pieces.parts)
        .map(|(text, part)| (quoted(part.as_str()), Json::Scalar(format!("\"{text}\""))))
        .collect();
    put(step, members, place, made, &[])
}

fn join(step: &Step<'_>, node: &mut Json, pieces: &Pieces) -> Result<(), Refused> {
    if !matches!(node, Json::Object(_)) {
        return step.misfit(node, "shape");
    }
    find(node, pieces.whole.as_str())?;
    let mut places = Vec::new();
    for part in &pieces.parts {
        places.extend(find(node, part.as_str())?);
    }
    let Some(members) = members_of(node) else { return Ok(()) };
    for place in &places {
        if members[*place].1.string().is_none() {
            step.misfit(&members[*place].1, "shape")?;
        }
    }
    places.retain(|place| members[*place].1.string().is_some());
    let Some(first) = places.iter().copied().min() else { return Ok(()) };
    let texts: Vec<&str> = places.iter().filter_map(|place| members[*place].1.string()).collect();
    let between = quoted(&pieces.separator);
    let text = format!("\"{}\"", texts.join(&between[1..between.len() - 1]));
    put(step, members, first, vec![(quoted(pieces.whole.as_str()), Json::Scalar(text))], &places)
}

/// Puts members where one stood; the `used` ones go, and so does what has the name of a new one.
fn put(step: &Step<'_>, members: &mut Members, place: usize, made: Members, used: &[usize]) -> Result<(), Refused> {
    let mut new: Members = Vec::new();
    for (index, (name, value)) in std::mem::take(members).into_iter().enumerate() {
        if index == place {
            new.extend(made.iter().cloned());
        } else if used.contains(&index) {
        } else if !made.iter().any(|(other, _)| super::same_name(other, &name)) {
            new.push((name, value));
        } else if step.refuses_strays() {
            return Err("conflict");
        }
    }
    *members = new;
    Ok(())
}

fn elem_wrap(step: &Step<'_>, node: &mut Json, key: &Name, context: &mut Context) -> Result<(), Refused> {
    let Json::Array(items) = node else { return step.misfit(node, "shape") };
    let mut new = Vec::new();
    for item in std::mem::take(items) {
        match item {
            item if step.up => new.push(Json::Object(vec![(quoted(key.as_str()), item)])),
            item @ Json::Object(_) => {
                let held = find(&item, key.as_str())?;
                let Json::Object(mut members) = item else { continue };
                context.narrowed |= held.is_none() || members.len() > 1;
                new.extend(held.map(|index| members.remove(index).1));
            }
            other => {
                step.misfit(&other, "shape")?;
                new.push(other);
            }
        }
    }
    *items = new;
    Ok(())
}

fn index(step: &Step<'_>, node: &mut Json, key: &Name) -> Result<(), Refused> {
    let Json::Array(items) = &*node else { return step.misfit(node, "shape") };
    let mut map: Members = Vec::new();
    let mut repeated = false;
    for item in items {
        let place = find(item, key.as_str())?;
        let (Some(place), Json::Object(members)) = (place, item) else { return Err("index_key") };
        let mut members = members.clone();
        let name = members.remove(place).1;
        if name.string().is_none() {
            return Err("index_key");
        }
        let name = name.write();
        repeated |= map.iter().any(|(other, _)| super::same_name(other, &name));
        map.push((name, Json::Object(members)));
    }
    if repeated {
        return Err("index_duplicate");
    }
    *node = Json::Object(map);
    Ok(())
}

fn list(step: &Step<'_>, node: &mut Json, key: &Name) -> Result<(), Refused> {
    let Json::Object(map) = &*node else { return step.misfit(node, "shape") };
    for (place, (name, _)) in map.iter().enumerate() {
        if map[..place].iter().any(|(other, _)| super::same_name(other, name)) {
            return Err("duplicate_member");
        }
    }
    let mut items = Vec::new();
    for (name, value) in map {
        let stray = find(value, key.as_str())?;
        let Json::Object(members) = value else { return Err("shape") };
        let mut members = members.clone();
        if let Some(stray) = stray {
            if step.refuses_strays() {
                return Err("conflict");
            }
            members.remove(stray);
        }
        members.insert(0, (quoted(key.as_str()), Json::Scalar(name.clone())));
        items.push(Json::Object(members));
    }
    *node = Json::Array(items);
    Ok(())
}

fn drop_elems(
    step: &Step<'_>,
    node: &mut Json,
    by: &[Name],
    keep: &[Literal],
    context: &mut Context,
) -> Result<(), Refused> {
    let Json::Array(items) = node else { return step.misfit(node, "shape") };
    let mut new = Vec::new();
    for item in items.iter() {
        let mut tag = Some(item);
        for name in by {
            let Some(here) = tag else { break };
            tag = match (find(here, name.as_str())?, here) {
                (Some(index), Json::Object(members)) => Some(&members[index].1),
                _ => None,
            };
        }
        let known = tag.is_some_and(|tag| keep.iter().any(|kind| scalars::equals(tag, kind)));
        if step.up || known {
            new.push(item.clone());
        } else {
            context.narrowed = true;
        }
    }
    *items = new;
    Ok(())
}
