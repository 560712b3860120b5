"""What a reader of an input says of the values that it accepts: rules by op, by what is read."""
