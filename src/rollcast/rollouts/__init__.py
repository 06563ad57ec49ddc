"""rollcast/rollouts"""
