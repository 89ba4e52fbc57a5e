"""The audit: do the participants' own databases say what the sagas' logs say?"""
