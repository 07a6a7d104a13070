export { didYouMean } from '../../shared/suggestion'
