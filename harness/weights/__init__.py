"""Are the values of a candidate's weights the checkpoint's, bit for bit? If not, whose are they?"""
