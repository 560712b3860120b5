"""What is on disk, told without running it; `facts` is what was found."""
