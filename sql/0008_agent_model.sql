-- Which of its models an agent was asked to use; NULL: nobody asked.
ALTER TABLE tasks ADD COLUMN agent_model
  VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NULL;
