"""Recording as one object of a training framework: a callback, a handler, a tracker."""
