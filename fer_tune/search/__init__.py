"""The command `search`: a study is run or resumed."""
