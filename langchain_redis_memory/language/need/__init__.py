"""May an answer that was given in one conversation be served in another?"""
