"""Language analysis without Redis: question classification, query rewriting, question equivalence, lexical search."""
