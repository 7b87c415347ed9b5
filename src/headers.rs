//! Header names and typed field values; the only place that spells lifecycle header names.
