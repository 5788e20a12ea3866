-- What came of a wish, written by the commit that heeded it. Wishes heeded by earlier releases have none.
ALTER TABLE intents ADD COLUMN outcome TEXT;
