//! Conditions.

use crate::plan::field::Field;
use crate::plan::read::{Condition, Embed, JoinOn};
use crate::request::{
    FtsOperator, IsValue, LogicOperator, OpExpr, Operation, QuantOperator, Quantifier, SimpleOperator,
};

use super::column::Scope;
use super::fragment::{Sql, array_literal};

impl Sql {
    /// A condition; `embedded` writes those on whether an embed (by its index) has rows.
    pub fn condition(
        &mut self,
        scope: Scope<'_>,
        condition: &Condition<'_>,
        embedded: &mut dyn FnMut(&mut Self, usize, bool),
    ) {
        match condition {
            Condition::Group { negated, operator, children } => {
                let separator = match operator {
                    LogicOperator::And => " AND ",
                    LogicOperator::Or => " OR ",
                };
                self.push(if *negated { "NOT (" } else { "(" });
                self.list(separator, children, |sql, child| sql.condition(scope, child, embedded));
                self.push(")");
            }
            Condition::Filter { field, expr, to_tsvector } => self.filter(scope, field, expr, *to_tsvector),
            Condition::After(bounds) => self.after(scope, bounds),
            Condition::Embedded { child, is_empty } => embedded(self, *child, *is_empty),
        }
    }

    /// Conditions on a relation that has no embeds, joined by AND.
    pub fn plain_conditions(&mut self, scope: Scope<'_>, conditions: &[Condition<'_>]) -> &mut Self {
        self.list(" AND ", conditions, |sql, condition| {
            sql.condition(scope, condition, &mut |sql, _, is_empty| {
                // A relation without embeds: nothing is embedded.
                sql.push(if is_empty { "true" } else { "false" });
            });
        })
    }

    /// Whether the joined embed gave a row, or an array, at all.
    pub fn joined(&mut self, child: &Embed<'_>, is_empty: bool) {
        self.name(&child.lateral);
        self.push(if is_empty { " IS NOT DISTINCT FROM NULL" } else { " IS DISTINCT FROM NULL" });
    }

    pub fn join_on(&mut self, join: &JoinOn<'_>) {
        self.column(Scope::of_qualifier(&join.left.0), join.left.1).push(" = ");
        self.column(Scope::of_qualifier(&join.right.0), join.right.1);
    }

    fn filter(&mut self, scope: Scope<'_>, field: &Field<'_>, expr: &OpExpr, to_tsvector: bool) {
        if expr.negated {
            self.push("NOT ");
        }
        match (&expr.operation, to_tsvector) {
            (Operation::Fts(_, language, _), true) => {
                self.push("to_tsvector(").language(language.as_deref()).field(scope, field).push(")");
            }
            _ => {
                self.field(scope, field);
            }
        }
        match &expr.operation {
            Operation::Simple(operator, value) => {
                self.push(simple_operator(*operator)).transformed(field, value);
            }
            Operation::Quant(operator, quantifier, value) => {
                self.push(quant_operator(*operator));
                match quantifier {
                    Some(Quantifier::Any) => self.push("ANY("),
                    Some(Quantifier::All) => self.push("ALL("),
                    None => self,
                };
                match operator {
                    QuantOperator::Like | QuantOperator::ILike => self.value(value.replace('*', "%")),
                    _ => self.transformed(field, value),
                };
                if quantifier.is_some() {
                    self.push(")");
                }
            }
            Operation::In(elements) => {
                self.push(" = ANY(").elements(field, elements).push(")");
            }
            Operation::Is(value) => {
                self.push(is_value(*value));
            }
            Operation::IsDistinctFrom(value) => {
                self.push(" IS DISTINCT FROM ").value(value.as_str());
            }
            Operation::Fts(operator, language, value) => {
                self.push(fts_operator(*operator)).language(language.as_deref());
                self.value(value.as_str()).push(")");
            }
        }
    }

    /// A value, through the function from text to the column's domain if there is one.
    fn transformed(&mut self, field: &Field<'_>, value: &str) -> &mut Self {
        match field.transform {
            Some(function) => self.qualified(function).push("(").value(value).push(")"),
            None => self.value(value),
        }
    }

    /// The elements of `in` as one array; `in.()` arrives as one empty element.
    fn elements(&mut self, field: &Field<'_>, elements: &[String]) -> &mut Self {
        let elements = if elements == [""] { &[] } else { elements };
        let literal = array_literal(elements.iter().map(String::as_str));
        match field.transform {
            Some(function) => {
                self.push("(SELECT ").qualified(function).push("(unnest(").value(literal).push("::text[])))")
            }
            None => self.value(literal),
        }
    }

    fn language(&mut self, language: Option<&str>) -> &mut Self {
        match language {
            Some(language) => self.value(language).push(", "),
            None => self,
        }
    }
}

fn simple_operator(operator: SimpleOperator) -> &'static str {
    match operator {
        SimpleOperator::NotEqual => " <> ",
        SimpleOperator::Contains => " @> ",
        SimpleOperator::Contained => " <@ ",
        SimpleOperator::Overlap => " && ",
        SimpleOperator::StrictlyLeft => " << ",
        SimpleOperator::StrictlyRight => " >> ",
        SimpleOperator::NotExtendsRight => " &< ",
        SimpleOperator::NotExtendsLeft => " &> ",
        SimpleOperator::Adjacent => " -|- ",
    }
}

fn quant_operator(operator: QuantOperator) -> &'static str {
    match operator {
        QuantOperator::Equal => " = ",
        QuantOperator::GreaterThanEqual => " >= ",
        QuantOperator::GreaterThan => " > ",
        QuantOperator::LessThanEqual => " <= ",
        QuantOperator::LessThan => " < ",
        QuantOperator::Like => " LIKE ",
        QuantOperator::ILike => " ILIKE ",
        QuantOperator::Match => " ~ ",
        QuantOperator::IMatch => " ~* ",
    }
}

/// `IS` takes keywords, not parameters.
fn is_value(value: IsValue) -> &'static str {
    match value {
        IsValue::Null => " IS NULL",
        IsValue::NotNull => " IS NOT NULL",
        IsValue::True => " IS TRUE",
        IsValue::False => " IS FALSE",
        IsValue::Unknown => " IS UNKNOWN",
    }
}

fn fts_operator(operator: FtsOperator) -> &'static str {
    match operator {
        FtsOperator::Fts => " @@ to_tsquery(",
        FtsOperator::Plain => " @@ plainto_tsquery(",
        FtsOperator::Phrase => " @@ phraseto_tsquery(",
        FtsOperator::Websearch => " @@ websearch_to_tsquery(",
    }
}
